"""Draws docs/encoder-curve.png: zero-shot accuracy against training time, from what evaluate_towers printed.

    python scripts/pretrain/evaluate_towers.py CORPUS PAPER --all --run "on paper" > docs/encoder-curve.jsonl
    python scripts/pretrain/evaluate_towers.py CORPUS BORDERS --all --run "with borders" \\
      --after 1999872 42.6 >> docs/encoder-curve.jsonl                      # and so on, run by run
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
    facts = ("tower", "run", "begun", "images", "minutes", "train_and_val")
    sets = [k for k in points[0] if k not in facts]
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
    for run in dict.fromkeys(p["run"] for p in points):
        begun = min(p["begun"] for p in points if p["run"] == run)
        axes.axvline(begun, color="grey", linestyle=":", linewidth=1)
        axes.annotate(f" {run}", (begun, 3), fontsize=8, color="grey")
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
