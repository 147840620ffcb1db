"""Step 4: trains an image tower against the frozen sentence vectors of step 2. Resumable.

    torchrun --nproc-per-node 2 scripts/pretrain/train_image_tower.py CORPUS OUT --images 2500000 \
      --from-tower TOWER

Multi-positive contrastive loss: an image against the captions of its batch and a fresh bank of BANK other
captions, those that read the same all positive; plus the cosine to its own caption. Images are drawn by the
weights of step 3. bf16 autocast, channels-last; each process has one thread and its share of the batch. Kill
it at any moment: the same command goes on from the last checkpoint (every two minutes) and draws what an
undisturbed run draws. Every SNAPSHOT images the averaged weights are kept, for the curve in docs/encoder.md.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from augment import MEAN, STD, paint
from distil_text_tower import vectors_of
from disturb import disturb
from open_clip.timm_model import TimmModel
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

SIZE, DIM = 64, 384
BATCH, BANK = 512, 1024
LR, WEIGHT_DECAY, WARMUP = 1e-2, 0.05, 0.02  # peak rate from scratch; decay; share of warm-up steps
EMA = 0.998
SNAPSHOT = 250_000  # images


def image_tower(name: str) -> TimmModel:
    """Pixels [N, 3, 64, 64] -> [N, 384], in open_clip's own layout."""
    return TimmModel(name, DIM, image_size=SIZE, pool="avg", proj="linear", proj_bias=False)


class Corpus:
    """Drawings and the vectors of their captions: the teacher's, or those of a text tower."""

    def __init__(self, folder: Path, text: Path | None = None) -> None:
        self.ink = np.load(folder / "ink.npy")
        self.colour = np.load(folder / "colour.npy")
        # [P, 384], the mean over templates: no image shows in which one its caption was written.
        vectors = torch.from_numpy(np.load(folder / "vectors.npy"))
        phrases = json.loads((folder / "phrases.json").read_text())
        if text:
            vectors = vectors_of(phrases, text)
        self.targets = F.normalize(vectors.float().mean(0), dim=-1)
        number = {caption: i for i, caption in enumerate(phrases)}
        records = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
        self.captions = [[number[c] for c in record["captions"]] for record in records]
        self.cumulated = np.load(folder / "weights.npy").cumsum()

    def __len__(self) -> int:
        return len(self.captions)

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Numbers of images, int64 [size], by their weights."""
        return np.searchsorted(self.cumulated, rng.random(size) * self.cumulated[-1], side="right")

    def batch(self, size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """ink uint8 [A, 64, 64], colour uint8 [B, 64, 64, 4], caption numbers int64 [A + B = size]."""
        index = np.sort(self.draw(size, rng))  # drawings in ink first
        in_ink = index[index < len(self.ink)]
        in_colour = index[index >= len(self.ink)] - len(self.ink)
        captions = []
        for i in index:
            known = self.captions[i]
            # The name half of the time, else one of the other captions.
            captions.append(known[0] if rng.random() < 0.5 else known[rng.integers(len(known))])
        return (
            torch.from_numpy(self.ink[in_ink]),
            torch.from_numpy(self.colour[in_colour]),
            torch.tensor(captions),
        )


def loss_of(
    features: Tensor, captions: Tensor, corpus: Corpus, scale: Tensor, rng: torch.Generator
) -> Tensor:
    """Mean over images of -log(mass on the image's caption) plus 1 - cosine to it; features [N, 384]."""
    bank = torch.randint(len(corpus.targets), (BANK,), generator=rng)
    columns = torch.cat([captions, bank])
    texts = corpus.targets[columns]
    logits = scale.exp() * F.normalize(features.float(), dim=-1) @ texts.T
    positive = captions[:, None] == columns[None, :]
    mass = logits.masked_fill(~positive, -torch.inf).logsumexp(1)
    # The cosine to the target has a gradient from the first step on, when no caption stands out yet.
    own = F.cosine_similarity(features.float(), texts[: len(features)], dim=-1)
    return (logits.logsumexp(1) - mass).mean() + (1 - own).mean()


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, decay: float) -> None:
    for a, m in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if a.dtype.is_floating_point:
            a.lerp_(m, 1 - decay)
        else:
            a.copy_(m)


@torch.no_grad()
def share(parameters: list[Tensor]) -> None:
    """Every gradient becomes its mean over the processes, in one exchange."""
    together = torch.cat([p.grad.flatten() for p in parameters])
    dist.all_reduce(together)
    together /= dist.get_world_size()
    for p, part in zip(parameters, together.split([p.numel() for p in parameters]), strict=True):
        p.grad.copy_(part.view_as(p))


def save(path: Path, state: dict) -> None:
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--tower", default="regnetx_004", help="a timm model")
    parser.add_argument("--images", type=int, default=4_000_000, help="images seen in the whole run")
    parser.add_argument(
        "--from-tower", type=Path, help="a tower of an earlier run to start from, at half the rate"
    )
    parser.add_argument("--rate", type=float, help=f"peak rate; {LR:g}, or half of it with --from-tower")
    parser.add_argument("--text", type=Path, help="learn the vectors of this text tower, not the teacher's")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    dist.init_process_group("gloo")
    rank, processes = dist.get_rank(), dist.get_world_size()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    corpus = Corpus(args.corpus, args.text)
    steps = args.images // BATCH
    model = image_tower(args.tower)
    scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
    if args.from_tower:
        model.load_state_dict(load_file(args.from_tower))
        with safe_open(args.from_tower, "pt") as stored, torch.no_grad():
            scale.fill_(float(stored.metadata()["scale"]))
    model = model.to(memory_format=torch.channels_last)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    free = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": [*free, scale], "weight_decay": 0.0}],
        lr=args.rate or (LR / 2 if args.from_tower else LR), betas=(0.9, 0.98),
    )  # fmt: skip
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda s: min(1, (s + 1) / (WARMUP * steps)) * 0.5 * (1 + math.cos(math.pi * min(1.0, s / steps))),
    )
    average = copy.deepcopy(model)
    step, seconds = 0, 0.0
    checkpoint = args.out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        with torch.no_grad():
            scale.copy_(state["scale"])
        step, seconds = state["step"], state["seconds"]
        print(f"goes on from step {step}", flush=True)
    parameters = [*decayed, *free, scale]
    if rank == 0:
        print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters, {len(corpus)} images, "
              f"{steps} steps", flush=True)  # fmt: skip
    last_saved = begun = time.monotonic()
    model.train()
    while step < steps:
        # Random numbers depend on step and process alone: a resumed run draws what an undisturbed one draws.
        draw = step * processes + rank
        numbers, rng = np.random.default_rng([1, draw]), torch.Generator().manual_seed(draw)
        ink, colour, captions = corpus.batch(BATCH // processes, numbers)
        pixels = (disturb(paint(ink, colour, rng), rng) - MEAN) / STD
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            features = model(pixels)
        loss = loss_of(features, captions, corpus, scale, rng)
        optimizer.zero_grad()
        loss.backward()
        share(parameters)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            scale.clamp_(0, math.log(100))
        step += 1
        if rank:
            continue
        follow(average, model, min(EMA, step / (step + 10)))
        now = time.monotonic()
        if step % 20 == 0:
            spent = seconds + now - begun
            told = {
                "step": step,
                "images": step * BATCH,
                "seconds": round(spent, 1),
                "loss": round(loss.item(), 4),
                "scale": round(scale.exp().item(), 2),
                "hours_left": round((steps - step) * spent / step / 3600, 2),
            }
            print(json.dumps(told), flush=True)
        if step * BATCH // SNAPSHOT > (step - 1) * BATCH // SNAPSHOT or step == steps:
            weights = {k: v.contiguous() for k, v in average.state_dict().items()}
            meta = {
                "tower": args.tower,
                "images": str(step * BATCH),
                "seconds": f"{seconds + now - begun:.1f}",
                "scale": f"{scale.item():.6f}",
            }
            save_file(weights, args.out / f"tower-{step * BATCH:08d}.safetensors", metadata=meta)
        if now - last_saved > 120 or step == steps:
            state = {
                "model": model.state_dict(),
                "average": average.state_dict(),
                "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(),
                "scale": scale.detach(),
                "step": step,
                "seconds": seconds + now - begun,
            }
            save(checkpoint, state)
            last_saved = now


if __name__ == "__main__":
    main()
