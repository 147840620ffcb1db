"""Tables of the three axes for README and docs, from results.csv."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from anchorline.methods.table import SHOWN


def spread(rows: pd.DataFrame, method: str, metric: str) -> str:
    """Mean over seeds, with the standard deviation between them, or with the interval of the only one."""
    own = rows[(rows.role == "summary") & (rows.method == method) & (rows.metric == metric)]
    if len(own) > 1:
        return f"{own.value.mean():.1f} ± {own.value.std():.1f}"
    if metric == "id_accuracy":
        return f"{own.value.item():.1f} [{own.low.item():.1f}–{own.high.item():.1f}]"
    return f"{own.value.item():.1f}"


def spread_of(each: pd.Series, decimals: int = 1) -> str:
    """Mean over seeds and the standard deviation between them, if there are several."""
    text = f"{each.mean():.{decimals}f}"
    return f"{text} ± {each.std():.{decimals}f}" if len(each) > 1 else text


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


def ablation_table(rows: pd.DataFrame, names: Iterable[str]) -> str:
    lines = [
        "| Reprogrammer | in distribution, % | shifts, % | AUROC, % | the same as a residual (α .4) |",
        "|---|---|---|---|---|",
    ]
    for name in names:
        axes = [spread(rows, name, m) for m in ("id_accuracy", "shift_accuracy", "auroc")]
        residual = [spread(rows, f"{name}, residual", m) for m in ("id_accuracy", "shift_accuracy", "auroc")]
        lines.append(f"| {name} | {' | '.join(axes)} | {' / '.join(residual)} |")
    return "\n".join(lines)


def low_label_table(tables: dict[int, pd.DataFrame], methods: Iterable[str]) -> str:
    """In distribution / mean of shifts, by drawings a class."""
    lines = ["| method | " + " | ".join(f"{shots} a class" for shots in tables) + " |"]
    lines.append("|---" * (1 + len(tables)) + "|")
    for method in methods:
        cells = [
            f"{spread(rows, method, 'id_accuracy')} / {spread(rows, method, 'shift_accuracy')}"
            for rows in tables.values()
        ]
        lines.append(f"| `{method}` | {' | '.join(cells)} |")
    return "\n".join(lines)
