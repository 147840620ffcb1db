"""Writes every figure of README.md and docs/suite.md anew: `make figures`.

Runs the comparison of `make demo`, puts its tables between the marks <!-- figures:NAME --> and
<!-- end -->, and, where a `chromium` is on the PATH, the report's first screen into docs/report.png.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pandas as pd

from anchorline import SUITES, compare, load_encoder

ROOT = Path(__file__).parents[1]
OUT = ROOT / "runs" / "figures"


def summary(rows: pd.DataFrame) -> str:
    lines = [
        "| method | in-distribution accuracy, % [95 %] | mean of shifts, % | outliers AUROC, % "
        "| mean of the three | trained parameters | adapting, s |",
        "|---|---|---|---|---|---|---|",
    ]
    for method, own in rows[rows.role == "summary"].groupby("method", sort=False):
        v = own.set_index("metric")
        first = v.loc["id_accuracy"]
        lines.append(
            f"| `{method}` | {first.value:.1f} [{first.low:.1f}–{first.high:.1f}] "
            f"| {v.value['shift_accuracy']:.1f} | {v.value['auroc']:.1f} | {v.value['mean_of_axes']:.1f} "
            f"| {v.value['trainable_parameters']:,.0f} | {v.value['seconds']:.1f} |"
        )
    return "\n".join(lines)


def sets(rows: pd.DataFrame) -> str:
    methods = list(dict.fromkeys(rows.method))
    accuracy = rows[rows.metric == "accuracy"]
    lines = ["| set | images | " + " | ".join(f"`{m}`" for m in methods) + " |"]
    lines.append("|---" * (2 + len(methods)) + "|")
    for name in dict.fromkeys(accuracy.set):
        own = accuracy[accuracy.set == name].set_index("method")
        cells = [f"{own.value[m]:.1f} [{own.low[m]:.1f}–{own.high[m]:.1f}]" for m in methods]
        lines.append(f"| {name} (accuracy, %) | {own.n.iloc[0]:,.0f} | " + " | ".join(cells) + " |")
    for score in ("msp", "mcm"):
        auroc = rows[(rows.metric == "auroc") & (rows.role == "outlier") & (rows.score == score)]
        fpr = rows[(rows.metric == "fpr95") & (rows.score == score) & (rows.convention == "id-positive")]
        for name in dict.fromkeys(auroc.set):
            a, f = (t[t.set == name].set_index("method") for t in (auroc, fpr))
            cells = [f"{a.value[m]:.1f} / {f.value[m]:.1f}" for m in methods]
            title = f"{name} (AUROC / FPR95, %, {score.upper()})"
            lines.append(f"| {title} | {a.n.iloc[0]:,.0f} | " + " | ".join(cells) + " |")
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


def main() -> None:
    comparison = compare(SUITES["pictograms"](), load_encoder(), out=OUT)
    put(ROOT / "README.md", "summary", summary(comparison.rows))
    put(ROOT / "docs" / "suite.md", "sets", sets(comparison.rows))
    screenshot(comparison.report, ROOT / "docs" / "report.png")


if __name__ == "__main__":
    main()
