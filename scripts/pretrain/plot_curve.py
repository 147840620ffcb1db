"""Draws docs/encoder-curve.png: zero-shot accuracy against training time, from what evaluate_towers printed.

python scripts/pretrain/evaluate_towers.py CORPUS TOWER_DIR --all > docs/encoder-curve.jsonl
python scripts/pretrain/plot_curve.py
"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib.pyplot as plt

DOCS = Path(__file__).parents[2] / "docs"


def main() -> None:
    lines = (DOCS / "encoder-curve.jsonl").read_text().splitlines()
    points = sorted((json.loads(line) for line in lines), key=lambda p: p["images"])
    sets = [k for k in points[0] if k not in ("tower", "images", "minutes", "train_and_val")]
    figure, axes = plt.subplots(figsize=(8, 4.5), dpi=120, layout="constrained")
    minutes = [p["minutes"] for p in points]
    for name in sets:
        width = 2.6 if name == "test" else 1.2
        values = [p[name] for p in points]
        axes.plot(minutes, values, marker="o", markersize=3, linewidth=width, label=name)
    place = -100.0
    for value, name in sorted((points[-1][name], name) for name in sets):
        place = max(place + 4, value)  # percent: labels keep apart
        axes.annotate(f"  {name} {value:.0f}", (minutes[-1], place), va="center", fontsize=8)
    axes.set_xlabel("training time on two cores, minutes")
    axes.set_ylabel("zero-shot accuracy, %")
    axes.set_ylim(0, 100)
    axes.margins(x=0.12)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title("pictogram-clip: accuracy on artists it never sees, by training time", fontsize=10)
    figure.savefig(DOCS / "encoder-curve.png")


if __name__ == "__main__":
    main()
