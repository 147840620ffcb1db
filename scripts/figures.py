"""Writes every figure of README.md, docs/suite.md, docs/findings.md and docs/constraints.md anew.

    make figures
    .venv/bin/python scripts/figures.py methods ablations constraints low-label   # or some of them

Runs every method over three seeds on the bundled suite, the ablations of the Reprogrammer, and what holds
the weights, with all labels and with few; puts the tables between the marks <!-- figures:NAME --> and
<!-- end -->, and, where a `chromium` is on the PATH, the report's first screen into docs/report.png. Takes
about two hours on two cores; killed, it goes on where it was.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import pandas as pd

from anchorline import METHODS, SUITES, Encoder, Method, Suite, compare, load_encoder
from anchorline.choices import override
from anchorline.methods import SHOWN
from anchorline.progress import Narrator, terminal

ROOT = Path(__file__).parents[1]
OUT = ROOT / "runs" / "figures"
SEEDS = (0, 1, 2)

# What the finding rests on: each differs from the row in what its name says, all at the released rates.
ABLATIONS: dict[str, dict[str, str]] = {
    "as in the paper": {},
    "frame starts from zero": {"tunable.start_from": "zero"},
    "frame over the margin": {"tunable.resize": "1"},
    "frame over the margin, from zero": {"tunable.resize": "1", "tunable.start_from": "zero"},
    "50 epochs": {"training.epochs": "50"},
    "image program alone": {"tunable.text": "false"},
    "text program alone": {"tunable.image": "false"},
    "cross-entropy": {"objective": "cross-entropy"},
    "duplicates are negatives": {"objective.duplicates": "negatives"},
}

# Where few drawings are labelled: so many a class.
SHOTS = (1, 2, 4)
LOW_LABEL = ("zero-shot", "linear-probe", "fine-tune", "wise-ft", "l2-sp", "tpgm", "ftp")
FULL_STEPS = 70  # of the rows of the table with all 480 drawings: ten epochs of seven batches


def ablated() -> list[Method]:
    row = METHODS["reprogrammer"]
    released = {"training.lr": "5e-4"}
    return [replace(override(row, released | settings), name=name) for name, settings in ABLATIONS.items()]


def spread(rows: pd.DataFrame, method: str, metric: str) -> str:
    """Mean over seeds, with the standard deviation between them, or with the interval of the only one."""
    own = rows[(rows.role == "summary") & (rows.method == method) & (rows.metric == metric)]
    if len(own) > 1:
        return f"{own.value.mean():.1f} ± {own.value.std():.1f}"
    if metric == "id_accuracy":
        return f"{own.value.item():.1f} [{own.low.item():.1f}–{own.high.item():.1f}]"
    return f"{own.value.item():.1f}"


def summary(rows: pd.DataFrame) -> str:
    lines = [
        "| method | in-distribution accuracy, % | mean of shifts, % | outliers AUROC, % "
        "| mean of the three | trained parameters | adapting, s |",
        "|---|---|---|---|---|---|---|",
    ]
    for method in dict.fromkeys(rows.method):
        own = rows[(rows.role == "summary") & (rows.method == method)].groupby("metric").value.mean()
        axes = (spread(rows, method, m) for m in ("id_accuracy", "shift_accuracy", "auroc", "mean_of_axes"))
        lines.append(
            f"| `{method}` | {' | '.join(axes)} | {own['trainable_parameters']:,.0f} | {own['seconds']:.0f} |"
        )
    return "\n".join(lines)


def sets(rows: pd.DataFrame) -> str:
    """Accuracy of the methods that `make demo` shows, and what the untouched encoder notices."""
    accuracy = rows[rows.metric == "accuracy"]
    lines = ["| set | images | " + " | ".join(f"`{m}`" for m in SHOWN) + " |"]
    lines.append("|---" * (2 + len(SHOWN)) + "|")
    for name in dict.fromkeys(accuracy.set):
        cells = []
        for method in SHOWN:
            own = accuracy[(accuracy.set == name) & (accuracy.method == method)]
            between = (
                f"± {own.value.std():.1f}"
                if len(own) > 1
                else f"[{own.low.item():.1f}–{own.high.item():.1f}]"
            )
            cells.append(f"{own.value.mean():.1f} {between}")
        n = accuracy[accuracy.set == name].n.iloc[0]
        lines.append(f"| {name} (accuracy, %) | {n:,.0f} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "| outlier set, `zero-shot` | images | AUROC / FPR95 of MSP, % | AUROC / FPR95 of MCM, % |",
        "|---|---|---|---|",
    ]
    own = rows[
        (rows.method == "zero-shot") & (rows.role == "outlier") & (rows.convention != "outlier-positive")
    ]
    for name in dict.fromkeys(own.set):
        value = own[own.set == name].set_index(["score", "metric"]).value
        cells = [f"{value[score, 'auroc']:.1f} / {value[score, 'fpr95']:.1f}" for score in ("msp", "mcm")]
        lines.append(f"| {name} | {own[own.set == name].n.iloc[0]:,.0f} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def ablation_table(rows: pd.DataFrame) -> str:
    lines = [
        "| Reprogrammer | in distribution, % | shifts, % | AUROC, % | the same as a residual (α .4) |",
        "|---|---|---|---|---|",
    ]
    for name in ABLATIONS:
        axes = [spread(rows, name, m) for m in ("id_accuracy", "shift_accuracy", "auroc")]
        residual = [spread(rows, f"{name}, residual", m) for m in ("id_accuracy", "shift_accuracy", "auroc")]
        lines.append(f"| {name} | {' | '.join(axes)} | {' / '.join(residual)} |")
    return "\n".join(lines)


def low_label_table(tables: dict[int, pd.DataFrame]) -> str:
    """In distribution / mean of shifts, by drawings a class."""
    lines = ["| method | " + " | ".join(f"{shots} a class" for shots in tables) + " |"]
    lines.append("|---" * (1 + len(tables)) + "|")
    for method in LOW_LABEL:
        cells = [
            f"{spread(rows, method, 'id_accuracy')} / {spread(rows, method, 'shift_accuracy')}"
            for rows in tables.values()
        ]
        lines.append(f"| `{method}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def put(file: Path, name: str, text: str) -> None:
    old = file.read_text()
    pattern = rf"(<!-- figures:{name} -->\n).*?(<!-- end -->)"
    new, count = re.subn(pattern, lambda m: m[1] + text + "\n" + m[2], old, flags=re.S)
    if count != 1:
        raise ValueError(f"{file} has {count} places for {name}")
    file.write_text(new)


def screenshot(report: Path, picture: Path) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        print(f"no chromium on the PATH: {picture} stays as it is")
        return
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
             "--disable-background-networking", f"--user-data-dir={profile}", "--window-size=1180,1500",
             "--virtual-time-budget=5000", f"--screenshot={picture}", report.resolve().as_uri()],
            check=True, capture_output=True,
        )  # fmt: skip


def methods(suite: Suite, encoder: Encoder, narrator: Narrator) -> None:
    """The table on the README's first screen: every method that nothing holds."""
    free = [row for row in METHODS.values() if row.constraint.name == "none"]
    rows = [*free, residual_of(METHODS["fine-tune"])]
    found = compare(suite, encoder, rows, OUT / "methods", seeds=SEEDS, narrator=narrator)
    put(ROOT / "README.md", "summary", summary(found.rows))
    put(ROOT / "docs" / "suite.md", "sets", sets(found.rows))
    screenshot(found.report, ROOT / "docs" / "report.png")


def ablations(suite: Suite, encoder: Encoder, narrator: Narrator) -> None:
    variants = [v for row in ablated() for v in (row, residual_of(row))]
    found = compare(suite, encoder, variants, OUT / "ablations", seeds=SEEDS, narrator=narrator)
    put(ROOT / "docs" / "findings.md", "ablations", ablation_table(found.rows))


def constraints(suite: Suite, encoder: Encoder, narrator: Narrator) -> None:
    """What holds the weights, beside fine-tuning that nothing holds; trained above, not again."""
    held = [row for row in METHODS.values() if row.constraint.name != "none"]
    rows = [METHODS["fine-tune"], METHODS["wise-ft"], *held]
    found = compare(suite, encoder, rows, OUT / "methods", seeds=SEEDS, narrator=narrator)
    put(ROOT / "docs" / "constraints.md", "constraints", summary(found.rows))


def low_label(suite: Suite, encoder: Encoder, narrator: Narrator) -> None:
    """The same with one, two and four drawings a class, as many steps as with all, each seed its own draw."""
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
    put(ROOT / "docs" / "constraints.md", "low-label", low_label_table(tables))


def with_epochs(row: Method, epochs: int) -> Method:
    return override(row, {"training.epochs": str(epochs)}) if row.training else row


PARTS = {
    "methods": methods, "ablations": ablations, "constraints": constraints, "low-label": low_label,
}  # fmt: skip


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
