"""Step 6: tunes the distilled text tower to the finished image tower, which stays as it is.

    python scripts/pretrain/tune_text_tower.py CORPUS TOWER.safetensors TEXT.safetensors OUT

Distillation alone leaves captions a little beside the place where the image tower puts their images. Here
each caption of a batch must find its image among the batch's (multi-positive softmax at the tower's own
scale), drawn as in the tower's own training, while the cosine to its teacher vector (the mean over the
templates) keeps what it has learnt of words that no image has. Takes about ten minutes on two cores. Writes
OUT/text-tuned.safetensors.
"""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from augment import MEAN, STD, paint
from distil_text_tower import SHORT, TEXT, text_tower
from disturb import disturb
from embed_captions import TEMPLATES
from open_clip.tokenizer import SimpleTokenizer
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from train_image_tower import Corpus, image_tower

BATCH, STEPS, LR, WARMUP = 512, 1000, 5e-4, 40


def main() -> None:
    folder, tower_file, text_file, out = map(Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    corpus = Corpus(folder)
    phrases = json.loads((folder / "phrases.json").read_text())
    with safe_open(tower_file, "pt") as stored:
        facts = stored.metadata()
    tower = image_tower(facts["tower"]).eval().to(memory_format=torch.channels_last)
    tower.load_state_dict(load_file(tower_file))
    text = text_tower()
    text.load_state_dict(load_file(text_file))
    text.attn_mask = text.attn_mask[:SHORT, :SHORT]
    tokenizer = SimpleTokenizer(context_length=TEXT["context_length"])
    tokens_of = torch.stack(
        [tokenizer([t.format(p) for p in phrases]) for t in TEMPLATES]
    )  # [3, phrases, 32]
    scale = math.exp(float(facts["scale"]))
    optimizer = torch.optim.AdamW(text.parameters(), lr=LR, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: min(1, (s + 1) / WARMUP) * 0.5 * (1 + math.cos(math.pi * s / STEPS))
    )
    begun = time.monotonic()
    for step in range(STEPS):
        rng, noise = np.random.default_rng([4, step]), torch.Generator().manual_seed(step)
        ink, colour, captions = corpus.batch(BATCH, rng)
        tokens = tokens_of[torch.from_numpy(rng.integers(len(TEMPLATES), size=BATCH)), captions]
        pixels = (disturb(paint(ink, colour, noise), noise) - MEAN) / STD
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            images = tower(pixels.contiguous(memory_format=torch.channels_last))
        images = F.normalize(images.float(), dim=-1)
        fits = tokens.argmax(1) < SHORT
        tokens, captions = tokens[fits, :SHORT], captions[fits]
        with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            features = text(tokens)
        features = F.normalize(features.float(), dim=-1)
        logits = scale * features @ images[fits].T
        same = captions[:, None] == captions[None, :]
        contrast = (logits.logsumexp(1) - logits.masked_fill(~same, -torch.inf).logsumexp(1)).mean()
        cosine = (features * corpus.targets[captions]).sum(-1).mean()
        loss = contrast + 4 * (1 - cosine)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(text.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 25 == 24:
            told = {
                "step": step + 1,
                "contrast": round(contrast.item(), 4),
                "cosine": round(cosine.item(), 4),
                "minutes_left": round((time.monotonic() - begun) / (step + 1) * (STEPS - step - 1) / 60, 1),
            }
            print(json.dumps(told), flush=True)
    weights = {name: tensor.contiguous() for name, tensor in text.state_dict().items()}
    save_file(weights, out / "text-tuned.safetensors")


if __name__ == "__main__":
    main()
