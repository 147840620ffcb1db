"""What distillation costs: zero-shot accuracy with the teacher's class vectors and with the text tower's own.

    python scripts/pretrain/evaluate_text.py CORPUS

measures the encoder that ships, and prints the table of docs/encoder.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from evaluate_towers import accuracy, class_vectors
from train_image_tower import SIZE

from anchorline import SUITES, load_encoder
from anchorline.suites.images.decode import Geometry, decode


def main() -> None:
    suite, encoder = SUITES["pictograms"](), load_encoder("pictogram-clip", "cpu")
    teacher = class_vectors(suite.classes, np.load(Path(sys.argv[1]) / "mean.npy"))
    own = encoder.encode_classes(suite.classes, encoder.templates)
    lines = ["| set | teacher, % | text tower, % | difference, points |", "|---|---|---|---|"]
    for name, images in {"test": suite.test, **suite.shifts}.items():
        pixels, _ = decode(images, Geometry((SIZE, SIZE)))
        a, b = (accuracy(encoder.model.visual, pixels, images, t) for t in (teacher, own))
        lines.append(f"| {name} | {a:.1f} | {b:.1f} | {b - a:+.1f} |")
    cosine = float((own * teacher).sum(1).mean())
    lines.append(f"\nMean cosine between the two vectors of a class: {cosine:.2f}.")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
