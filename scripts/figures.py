"""Writes every figure of README.md and of the tables in docs anew.

    make figures
    .venv/bin/python scripts/figures.py methods segmentation   # or some of the parts

Runs every method over three seeds on the bundled suite, the ablations of the Reprogrammer, what holds the
weights, with all labels and with few, segmentation of the bundled scenes, and continual learning. Puts the
tables between the marks <!-- figures:NAME --> and <!-- end -->, and, where a `chromium` is on the PATH, the
reports' first screens into docs/. Takes about three hours on two cores; killed, it goes on where it was.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import pandas as pd
from tables import evaluation, tasks
from tables.marks import ROOT, put
from tables.summary import ablation_table, low_label_table, sets, summary

from anchorline import METHODS, SUITES, Encoder, Method, Suite, compare, load_encoder
from anchorline.engine.progress import Narrator, terminal
from anchorline.evaluation.base import Options
from anchorline.experiments.ablation.table import REPROGRAMMER
from anchorline.methods.settings import override
from anchorline.methods.table import SHOWN
from anchorline.report.figures.layers import deviations, radii
from anchorline.suites.images.corruptions import parse_corruptions
from anchorline.tasks import continual as sequences
from anchorline.tasks import segmentation as masks

OUT = ROOT / "runs" / "figures"
SEEDS = (0, 1, 2)

# What the finding rests on: each differs from the row in what its name says, at the higher rates of the row.
ABLATIONS: dict[str, dict[str, str]] = {
    "as in the table": {},
    "frame without decay": {"tunable.frame_decay": "0"},
    "frame with decoupled decay": {"tunable.frame_optimizer": "adamw"},
    "released rates": {"tunable.frame_lr": "5e-3", "training.lr": "5e-4"},
    "frame starts from zero": {"tunable.start_from": "zero"},
    "frame around the image": {"tunable.geometry": "around"},
    "frame around, on the mean colour": {"tunable.geometry": "around", "tunable.ground": "mean"},
    "image program alone": {"tunable.text": "false"},
    "text program alone": {"tunable.image": "false"},
    "cross-entropy": {"objective": "cross-entropy"},
    "duplicates are negatives": {"objective.duplicates": "negatives"},
}

# What we would do otherwise than the released code of three baselines: settings, and what is searched.
OURS: dict[str, tuple[dict[str, str], str, tuple[float, ...]]] = {
    "flyp": (
        {"tunable.template": "step", "objective.duplicates": "positives", "training.max_grad_norm": "1"},
        "training.lr",
        (3e-5, 1e-4, 3e-4, 1e-3),
    ),
    "coop": (
        {
            "training.optimizer": "adamw",
            "training.weight_decay": "0",
            "training.augmentation": "none",
            "training.max_grad_norm": "1",
        },
        "training.lr",
        (3e-4, 1e-3, 3e-3, 1e-2),
    ),
    "visual-prompt": (
        {"tunable.start_from": "zero", "tunable.frame_optimizer": "adamw", "training.max_grad_norm": "1"},
        "tunable.frame_lr",
        (1e-3, 3e-3, 1e-2, 3e-2),
    ),
}

# Where few drawings are labelled: so many a class.
SHOTS = (1, 4)
LOW_LABEL = ("zero-shot", "linear-probe", "fine-tune", "wise-ft", "tpgm", "ftp")
FULL_STEPS = 70  # of the rows of the table with all 480 drawings: ten epochs of seven batches


def ablated() -> list[Method]:
    return [replace(override(REPROGRAMMER, settings), name=name) for name, settings in ABLATIONS.items()]


def screenshot(page: Path, picture: Path, height: int = 1500) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        print(f"no chromium on the PATH: {picture} stays as it is")
        return
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
             "--disable-background-networking", f"--user-data-dir={profile}", f"--window-size=1180,{height}",
             "--virtual-time-budget=5000", f"--screenshot={picture}", page.resolve().as_uri()],
            check=True, capture_output=True,
        )  # fmt: skip


def draw_layers(movement: Path, picture: Path) -> None:
    """How far each layer moved, by method, and the radii that FTP learned, epoch by epoch."""
    movements = pd.read_csv(movement)
    held = [row.name for row in METHODS.values() if row.constraint.name != "none"]
    shown = movements[movements.method.isin(["fine-tune", *held])]
    figures = [deviations(shown), dict(radii(movements))["ftp"]]
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "layers.html"
        parts = [
            f.to_html(full_html=False, include_plotlyjs=not i, config={"displayModeBar": False})
            for i, f in enumerate(figures)
        ]
        page.write_text("<meta charset='utf-8'>" + "".join(parts))
        screenshot(page, picture, height=sum(int(f.layout.height) for f in figures) + 40)


def methods(suite: Suite, encoder: Encoder, narrator: Narrator) -> None:
    """Every row of the table, and a residual over fine-tuning: README, suite, constraints, evaluation."""
    rows = [*METHODS.values(), residual_of(METHODS["fine-tune"])]
    found = compare(suite, encoder, rows, OUT / "methods", seeds=SEEDS, narrator=narrator)
    free = [row.name for row in rows if row.constraint.name == "none"]
    held = ["zero-shot", "fine-tune", "wise-ft", *(row.name for row in rows if row.name not in free)]
    docs = ROOT / "docs"
    put(ROOT / "README.md", "summary", summary(found.rows[found.rows.method.isin(SHOWN)]))
    put(docs / "methods.md", "methods", summary(found.rows[found.rows.method.isin(free)]))
    put(docs / "suite.md", "sets", sets(found.rows))
    put(docs / "constraints.md", "constraints", summary(found.rows[found.rows.method.isin(held)]))
    differences = pd.read_csv(found.directory / "differences.csv")
    put(docs / "evaluation.md", "differences", evaluation.differences(differences))
    put(docs / "evaluation.md", "detectors", evaluation.detectors(found.rows))
    put(docs / "evaluation.md", "confidence", evaluation.confidence(found.rows))
    put(docs / "evaluation.md", "open-set", evaluation.open_set(found.rows))
    put(docs / "evaluation.md", "robustness", evaluation.robustness(found.rows))
    draw_layers(found.directory / "movement.csv", docs / "layers.png")
    screenshot(found.report, docs / "report.png")


def corruptions(suite: Suite, encoder: Encoder, narrator: Narrator) -> None:
    """The methods that `make demo` shows, under the corruptions of ImageNet-C; one seed."""
    options = Options(corruptions=tuple(parse_corruptions(["all"])))
    found = compare(suite, encoder, SHOWN, OUT / "methods", options=options, narrator=narrator)
    put(ROOT / "docs" / "evaluation.md", "corruptions", evaluation.corruptions(found.rows))


def ablations(suite: Suite, encoder: Encoder, narrator: Narrator) -> None:
    variants = [v for row in ablated() for v in (row, residual_of(row))]
    found = compare(suite, encoder, variants, OUT / "ablations", seeds=SEEDS, narrator=narrator)
    put(ROOT / "docs" / "findings.md", "ablations", ablation_table(found.rows, ABLATIONS))


def variants(suite: Suite, encoder: Encoder, narrator: Narrator) -> None:
    """Three baselines as released, and as we would train them."""
    rows = []
    for name, (settings, searched, values) in OURS.items():
        ours = replace(override(METHODS[name], settings), name=f"{name}, ours", search=((searched, values),))
        rows += [METHODS[name], ours]
    found = compare(suite, encoder, rows, OUT / "methods", seeds=SEEDS, narrator=narrator)
    own = found.rows[found.rows.method.isin([row.name for row in rows])]
    put(ROOT / "docs" / "methods.md", "variants", summary(own))


def low_label(suite: Suite, encoder: Encoder, narrator: Narrator) -> None:
    """The same with one and four drawings a class, as many steps as with all, each seed its own draw."""
    tables: dict[int, pd.DataFrame] = {}
    for shots in SHOTS:
        found = []
        for seed in SEEDS:
            few = suite.shots(shots, seed)
            per_epoch = max(1, len(few.train) // 64)
            epochs = round(FULL_STEPS / per_epoch)
            rows = [with_epochs(METHODS[name], epochs) for name in LOW_LABEL]
            out = OUT / "low-label" / f"{shots}-{seed}"
            found.append(compare(few, encoder, rows, out, seeds=(seed,), narrator=narrator).rows)
        tables[shots] = pd.concat(found)
    put(ROOT / "docs" / "constraints.md", "low-label", low_label_table(tables, LOW_LABEL))


def segmentation(suite: Suite, encoder: Encoder, narrator: Narrator) -> None:
    """Every method of segmentation on the bundled scenes."""
    found = masks.compare(
        masks.scenes(),
        masks.load_backbone("pictogram-clip"),
        list(masks.METHODS),
        OUT / "segmentation",
        seeds=SEEDS,
        narrator=narrator,
    )
    put(ROOT / "docs" / "segmentation.md", "segmentation", tasks.segmentation(found.rows))
    put(ROOT / "docs" / "segmentation.md", "segmentation-sets", tasks.segmentation_shifts(found.rows))
    screenshot(found.report, ROOT / "docs" / "segmentation.png")


def continual(suite: Suite, encoder: Encoder, narrator: Narrator) -> None:
    """Every continual method in ten tasks, without stored images."""
    page = ROOT / "docs" / "continual.md"
    found = sequences.compare(suite, encoder, out=OUT / "continual", seeds=SEEDS, narrator=narrator)
    put(page, "continual", tasks.continual(found.rows))
    put(page, "continual-rates", tasks.continual_rates(found.learnt))
    screenshot(found.report, ROOT / "docs" / "continual.png")


def with_epochs(row: Method, epochs: int) -> Method:
    return override(row, {"training.epochs": str(epochs)}) if row.training else row


PARTS = {  # corruptions before methods, which leaves the report of all in the same directory
    "corruptions": corruptions,
    "methods": methods,
    "variants": variants,
    "ablations": ablations,
    "low-label": low_label,
    "segmentation": segmentation,
    "continual": continual,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", default=list(PARTS), help=", ".join(PARTS))
    suite, encoder = SUITES["pictograms"](), load_encoder()
    with terminal() as narrator:
        for part in parser.parse_args().parts:
            PARTS[part](suite, encoder, narrator)


def residual_of(row: Method) -> Method:
    return replace(override(row, {"blend": "residual"}), name=f"{row.name}, residual")


if __name__ == "__main__":
    main()
