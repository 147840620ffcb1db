"""A whole training step of `fine-tune` under each constraint: forward, backward, clipping, optimizer.

    python benchmarks/training_step.py [--encoder pictogram-clip ViT-B-32] [--batch 64]

Random images of ten classes, float32, AdamW (fused where torch has it); `tpgm` also passes a batch of val
through the model at each step, as its row of the table says. The methods take turns, so that a busy machine
hits all alike. Prints milliseconds a step (the median of STEPS, after two to warm up), the ratio to
`fine-tune`, and how much faster FTP is than TPGM, which its paper puts at 35 %.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from statistics import median

import torch
import torch.nn.functional as F

from anchorline import METHODS, load_encoder
from anchorline.encoders.captions import SINGLE_TEMPLATE
from anchorline.methods.tunables import Pretrained
from anchorline.training.optimization import optimizer_of

CLASSES = tuple(f"thing {i}" for i in range(10))
ROWS = ("fine-tune", "l2-sp", "mars-sp", "ftp", "spd", "tpgm")
STEPS = 9


def step_of(row: str, encoder_name: str, batch: int) -> Callable[[], None]:
    """One training step of a row on a model of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # random weights are what is wanted here
        encoder = load_encoder(encoder_name, "cpu")
    method = METHODS[row]
    assert method.training is not None
    pretrained = Pretrained(
        encoder, CLASSES, SINGLE_TEMPLATE, encoder.encode_classes(CLASSES, SINGLE_TEMPLATE)
    )
    adaptation = method.tunable.start(pretrained)
    rng = torch.Generator().manual_seed(0)
    (images, labels), (val_images, val_labels) = (
        (
            torch.rand(batch, 3, *encoder.geometry.size, generator=rng),
            torch.randint(len(CLASSES), (batch,), generator=rng),
        )
        for _ in range(2)
    )
    optimizer = method.constraint.wrap(
        optimizer_of(adaptation, method.training, method.constraint),
        adaptation,
        lambda: F.cross_entropy(adaptation(val_images), val_labels),
    )

    def step() -> None:
        loss = F.cross_entropy(adaptation(images), labels)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(adaptation.parameters(), 1.0)
        optimizer.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", nargs="+", default=["pictogram-clip", "ViT-B-32"])
    parser.add_argument("--batch", type=int, default=64, help="images a step")
    parser.add_argument("--steps", type=int, default=STEPS, help="timed steps of each")
    args = parser.parse_args()
    print(f"{torch.get_num_threads()} threads, batch {args.batch}, milliseconds a step")
    for encoder in args.encoder:
        steps = {row: step_of(row, encoder, args.batch) for row in ROWS}
        seconds: dict[str, list[float]] = {row: [] for row in ROWS}
        for turn in range(-2, args.steps):
            for row, step in steps.items():
                begun = time.perf_counter()
                step()
                if turn >= 0:
                    seconds[row].append(time.perf_counter() - begun)
        found = {row: median(times) for row, times in seconds.items()}
        for row in ROWS:
            ratio = found[row] / found["fine-tune"]
            print(f"{encoder:<16} {row:<10} {1000 * found[row]:8.0f} ms {ratio:6.2f} x")
        print(f"{encoder:<16} FTP takes {100 * (1 - found['ftp'] / found['tpgm']):.0f} % less time than TPGM")


if __name__ == "__main__":
    main()
