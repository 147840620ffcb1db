"""Zero-shot accuracy of image-tower snapshots, with the teacher's vectors of class names or a text tower's.

    python scripts/pretrain/evaluate_towers.py CORPUS TOWER_DIR …

Only on the suite's train and val images together, by which towers may be chosen. With --all also on test
and on every shift, for docs/encoder.md. --run names the run, and --after says what its tower had seen before.
Prints one JSON line a snapshot.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from augment import MEAN, STD
from distil_text_tower import vectors_of
from embed_captions import TEMPLATES, Teacher, centred
from safetensors import safe_open
from train_image_tower import SIZE, image_tower

from anchorline.suites import SUITES
from anchorline.suites.images.decode import Geometry, decode
from anchorline.suites.images.image_set import ImageSet


def class_vectors(classes: tuple[str, ...], mean: np.ndarray) -> torch.Tensor:
    """[C, 384]: the mean over the templates unit length."""
    teacher = Teacher()
    each = [centred(teacher([t.format(c) for c in classes]), mean) for t in TEMPLATES]
    return F.normalize(torch.from_numpy(np.stack(each)).float().mean(0), dim=-1)


@torch.inference_mode()
def accuracy(tower: torch.nn.Module, pixels: np.ndarray, images: ImageSet, texts: torch.Tensor) -> float:
    x = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - MEAN) / STD
    features = torch.cat([tower(part) for part in x.split(256)])
    logits = F.normalize(features, dim=-1) @ texts.T
    if images.columns is not None:
        rivals = [c for c in range(len(texts)) if c not in images.columns]
        logits[:, rivals] = -torch.inf
    return 100 * float((logits.argmax(1) == torch.from_numpy(images.labels)).float().mean())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("towers", type=Path, nargs="+")
    parser.add_argument("--all", action="store_true", help="also test and the shifts")
    parser.add_argument("--run", default="", help="a name for the plot")
    parser.add_argument("--text", type=Path, help="a text tower; the teacher without")
    parser.add_argument("--after", type=float, nargs=2, metavar=("IMAGES", "MINUTES"), default=(0, 0))
    args = parser.parse_args()
    suite = SUITES["pictograms"]()
    sets = {"train": suite.train, "val": suite.val}
    if args.all:
        sets |= {"test": suite.test, **suite.shifts}
    decoded = {name: decode(images, Geometry((SIZE, SIZE)))[0] for name, images in sets.items()}
    if args.text:
        texts = F.normalize(vectors_of(list(suite.classes), args.text).mean(0), dim=-1)
    else:
        texts = class_vectors(suite.classes, np.load(args.corpus / "mean.npy"))
    for folder in args.towers:
        for file in sorted(folder.glob("tower-*.safetensors")):
            with safe_open(file, "pt") as stored:
                facts = stored.metadata()
                tower = image_tower(facts["tower"]).eval()
                tower.load_state_dict({k: stored.get_tensor(k) for k in stored.keys()})  # noqa: SIM118
            found = {name: accuracy(tower, decoded[name], images, texts) for name, images in sets.items()}
            n = len(suite.train) + len(suite.val)
            chosen_by = (found.pop("train") * len(suite.train) + found.pop("val") * len(suite.val)) / n
            told = {
                "tower": facts["tower"],
                "run": args.run,
                "begun": args.after[1],
                "images": int(args.after[0]) + int(facts["images"]),
                "minutes": round(args.after[1] + float(facts["seconds"]) / 60, 1),
                "train_and_val": round(chosen_by, 1),
                **{name: round(value, 1) for name, value in found.items()},
            }
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
