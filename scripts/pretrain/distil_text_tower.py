"""Step 5: distils the sentence encoder into a small open_clip text tower with CLIP's tokenizer. Resumable.

    python scripts/pretrain/distil_text_tower.py CORPUS OUT --phrases 5000000

The tower learns the centred teacher vectors of captions and nouns under three templates: cosine to its own
target, and the same neighbours within a batch. A third of what it sees are captions as often as the image
tower meets them, a third captions all alike, a third nouns. The token embedding starts from the teacher's
vectors of the tokens (their principal components), so that words it never meets are not noise.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from embed_captions import TEMPLATES
from open_clip.model import CLIPTextCfg, _build_text_tower
from open_clip.tokenizer import SimpleTokenizer
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

DIM, BATCH, HELD_OUT = 384, 768, 1000
SHORT = 12  # tokens; most texts are no longer, and a batch of those costs a third of one of 32
LR, WARMUP = 2e-3, 100  # peak rate; warm-up in steps
TEXT = {"context_length": 32, "vocab_size": 49408, "width": 128, "heads": 4, "layers": 4}


def text_tower() -> nn.Module:
    """Tokens int64 [N, 32] -> [N, 384], open_clip's causal text transformer."""
    return _build_text_tower(DIM, CLIPTextCfg(**TEXT))


@torch.inference_mode()
def vectors_of(phrases: list[str], weights: Path) -> Tensor:
    """Unit vectors [templates, P, 384] that a text tower on disk has for phrases."""
    tower = text_tower()
    tower.load_state_dict(load_file(weights))
    mask, tokenizer = tower.attn_mask, SimpleTokenizer(context_length=TEXT["context_length"])
    found = torch.empty(len(TEMPLATES), len(phrases), DIM)
    for template, place in zip(TEMPLATES, found, strict=True):
        tokens = tokenizer([template.format(phrase) for phrase in phrases])
        fits = tokens.argmax(1) < SHORT
        for length, chosen in ((SHORT, fits), (TEXT["context_length"], ~fits)):
            tower.attn_mask = mask[:length, :length]  # causal: what is cut off changes nothing
            rows = chosen.nonzero().squeeze(1)
            for part in rows.split(BATCH):
                place[part] = F.normalize(tower(tokens[part, :length]).float(), dim=-1)
    return found


def start_from_teacher(tower: nn.Module, tokens: np.ndarray) -> None:
    vectors = torch.from_numpy(tokens).float()
    _, _, v = torch.pca_lowrank(vectors, q=TEXT["width"])
    reduced = (vectors - vectors.mean(0)) @ v
    with torch.no_grad():
        tower.token_embedding.weight.copy_(reduced / reduced.std() * 0.05)


def caption_weights(corpus: Path, captions: int) -> np.ndarray:
    """float64 [captions]: how often the image tower meets each; half of an image's draws are its name."""
    weight = np.zeros(captions)
    number = {c: i for i, c in enumerate(json.loads((corpus / "phrases.json").read_text()))}
    lines = (corpus / "records.jsonl").read_text().splitlines()
    for image, line in zip(np.load(corpus / "weights.npy"), lines, strict=True):
        known = [number[c] for c in json.loads(line)["captions"]]
        weight[known[0]] += image / 2
        weight[known] += image / 2 / len(known)
    return weight


def loss_of(features: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Distillation loss and mean cosine; both [N, 384], targets of unit length."""
    features = F.normalize(features.float(), dim=-1)
    cosine = (features * targets).sum(-1).mean()
    # Softmax over the batch: each text must find its own target among the others.
    logits = 20 * features @ targets.T
    return (1 - cosine) + 0.1 * F.cross_entropy(logits, torch.arange(len(features))), cosine


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--phrases", type=int, default=1_200_000, help="phrases seen in the whole run")
    parser.add_argument("--from-tower", type=Path, help="a text tower to start from, at half the rate")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    captions = json.loads((args.corpus / "phrases.json").read_text())
    phrases = captions + json.loads((args.corpus / "nouns.json").read_text())
    vectors = np.concatenate(  # [templates, phrases, 384]; zeros: not embedded
        [np.load(args.corpus / "vectors.npy"), np.load(args.corpus / "noun_vectors.npy")], 1
    )
    pairs = np.argwhere(vectors.any(-1))  # (template, phrase)
    pairs = pairs[np.random.default_rng(0).permutation(len(pairs))]
    held_out, pairs = pairs[:HELD_OUT], pairs[HELD_OUT:]
    tokenizer = SimpleTokenizer(context_length=TEXT["context_length"])
    tokens = tokenizer([TEMPLATES[t].format(phrases[p]) for t, p in pairs])
    unseen = tokenizer([TEMPLATES[t].format(phrases[p]) for t, p in held_out])
    length = tokens.argmax(1).numpy() + 1  # the end-of-text token has the highest number
    is_caption = pairs[:, 1] < len(captions)
    short_captions, short_nouns = (np.flatnonzero((length <= SHORT) & k) for k in (is_caption, ~is_caption))
    long = np.flatnonzero(length > SHORT)
    cumulated = caption_weights(args.corpus, len(captions))[pairs[short_captions, 1]].cumsum()
    tower = text_tower()
    if args.from_tower:
        tower.load_state_dict(load_file(args.from_tower))
    else:
        start_from_teacher(tower, np.load(args.corpus / "tokens.npy"))
    rate = LR / 2 if args.from_tower else LR
    optimizer = torch.optim.AdamW(tower.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
    steps = args.phrases // BATCH
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda s: min(1, (s + 1) / WARMUP) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * s / steps))),
    )
    step, checkpoint = 0, args.out / "text-checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        tower.load_state_dict(state["tower"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        step = state["step"]

    mask = tower.attn_mask

    def forward(tokens: Tensor, chosen: np.ndarray) -> tuple[Tensor, Tensor]:
        tower.attn_mask = mask[
            : tokens.shape[1], : tokens.shape[1]
        ]  # causal: what is cut off changes nothing
        # The fused attention's backward pass is two thirds of a step on texts this short.
        with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            features = tower(tokens)
        tower.attn_mask = mask
        return loss_of(features, torch.from_numpy(vectors[chosen[:, 0], chosen[:, 1]]).float())

    begun = last_saved = time.monotonic()
    first = step
    while step < steps:
        rng = np.random.default_rng([3, step])
        if step % 8 == 7:
            drawn = long[rng.integers(len(long), size=BATCH // 4)]
            loss, cosine = forward(tokens[drawn], pairs[drawn])
        else:
            third = BATCH // 3
            met = np.searchsorted(cumulated, rng.random(third) * cumulated[-1], side="right")
            drawn = np.concatenate([
                short_captions[met],
                short_captions[rng.integers(len(short_captions), size=third)],
                short_nouns[rng.integers(len(short_nouns), size=third)],
            ])  # fmt: skip
            loss, cosine = forward(tokens[drawn, :SHORT], pairs[drawn])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        step += 1
        if step % 50 == 0 or step == steps:
            now = time.monotonic()
            with torch.no_grad():
                _, new = forward(unseen, held_out)
            told = {
                "step": step,
                "of": steps,
                "loss": round(loss.item(), 4),
                "cosine": round(cosine.item(), 4),
                "cosine_held_out": round(new.item(), 4),
                "minutes_left": round((now - begun) / (step - first) * (steps - step) / 60, 1),
            }
            print(json.dumps(told), flush=True)
        if time.monotonic() - last_saved > 120 or step == steps:
            state = {
                "tower": tower.state_dict(),
                "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(),
                "step": step,
            }
            torch.save(state, checkpoint.with_suffix(".part"))
            checkpoint.with_suffix(".part").replace(checkpoint)
            last_saved = time.monotonic()
    weights = {k: v.contiguous() for k, v in tower.state_dict().items()}
    save_file(weights, args.out / "text-tower.safetensors")


if __name__ == "__main__":
    main()
