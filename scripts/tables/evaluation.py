"""Tables of docs/evaluation.md: differences beyond noise, detectors, confidence, robustness."""

from __future__ import annotations

import pandas as pd
from tables.summary import spread_of

from anchorline.methods.table import SHOWN
from anchorline.metric import CLASSIFICATION_AXES

AXES = {axis.name: axis.mean for axis in CLASSIFICATION_AXES}


def differences(table: pd.DataFrame) -> str:
    """Each method less zero-shot, and how many pairs of all differ by more than noise."""
    lines = ["| method less `zero-shot`, points | " + " | ".join(AXES.values()) + " |"]
    lines.append("|---" * (1 + len(AXES)) + "|")
    against = table[(table.a == "zero-shot") | (table.b == "zero-shot")]
    others = dict.fromkeys([*against.a, *against.b])
    others.pop("zero-shot")
    for method in others:
        cells = []
        for axis in AXES:
            own = against[(against.axis == axis) & ((against.a == method) | (against.b == method))].iloc[0]
            sign = 1 if own.a == method else -1
            low, high = sorted((sign * own.low, sign * own.high))
            text = f"{sign * own.difference:+.1f} [{low:+.1f}, {high:+.1f}]"
            cells.append(f"**{text}**" if own.significant else text)
        lines.append(f"| `{method}` | {' | '.join(cells)} |")
    counts = [int(table[table.axis == axis].significant.sum()) for axis in AXES]
    pairs = len(table) // len(AXES)
    lines.append(f"| pairs of all methods beyond noise, of {pairs} | " + " | ".join(map(str, counts)) + " |")
    return "\n".join(lines)


def detectors(rows: pd.DataFrame) -> str:
    """AUROC and FPR95 of each detector: means over all, near and far outlier sets and over seeds."""
    own = rows[(rows.role == "detection") & (rows.convention != "outlier-positive")]
    lines = [
        "| detector | " + " | ".join(f"`{m}`" for m in SHOWN) + " | near, `zero-shot` | far, `zero-shot` |"
    ]
    lines.append("|---" * (3 + len(SHOWN)) + "|")
    table = own.pivot_table(index="score", columns=["method", "set", "metric"], values="value", sort=False)
    best = {column: table[column].max() if column[2] == "auroc" else table[column].min() for column in table}
    for score in table.index:
        cells = []
        for method, group in [*((m, "all") for m in SHOWN), ("zero-shot", "near"), ("zero-shot", "far")]:
            pair = []
            for metric in ("auroc", "fpr95"):
                value, column = table.loc[score, (method, group, metric)], (method, group, metric)
                text = f"{value:.1f}"
                pair.append(f"**{text}**" if text == f"{best[column]:.1f}" else text)
            cells.append(" / ".join(pair))
        lines.append(f"| {score} | {' | '.join(cells)} |")
    return "\n".join(lines)


def confidence(rows: pd.DataFrame) -> str:
    """ECE and NLL of test and the mean of the shifts, as they are and scaled."""
    lines = [
        "| method | ECE test, % | scaled | ECE shifts, % | scaled | NLL test, nats | scaled "
        "| AURC test, % | AURC shifts, % |",
        "|---" * 9 + "|",
    ]
    for method in dict.fromkeys(rows.method):
        own = rows[rows.method == method]
        cells = []
        for metric, role, score in (
            ("ece", "test", ""), ("ece", "test", "scaled"), ("ece", "shift", ""), ("ece", "shift", "scaled"),
            ("nll", "test", ""), ("nll", "test", "scaled"), ("aurc", "test", "msp"), ("aurc", "shift", "msp"),
        ):  # fmt: skip
            found = own[(own.metric == metric) & (own.role == role) & (own.score.fillna("") == score)]
            each = found.groupby("seed").value.mean()
            cells.append(spread_of(each, 2 if metric == "nll" else 1))
        lines.append(f"| `{method}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def open_set(rows: pd.DataFrame) -> str:
    """Share kept, and accuracy among the kept, by set."""
    kept = rows[rows.metric.isin(["coverage", "selective_accuracy"])]
    names = dict.fromkeys(kept.set)
    lines = ["| set: % kept / % right of the kept | " + " | ".join(f"`{m}`" for m in SHOWN) + " |"]
    lines.append("|---" * (1 + len(SHOWN)) + "|")
    values = kept.groupby(["set", "method", "metric"]).value.mean()
    for name in names:
        cells = []
        for method in SHOWN:
            right = values.get((name, method, "selective_accuracy"))
            cells.append(
                f"{values[name, method, 'coverage']:.1f}" + ("" if right is None else f" / {right:.1f}")
            )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def robustness(rows: pd.DataFrame) -> str:
    """What adapting changed, as means over the shifts."""
    lines = [
        "| method | relative, points | effective, points | agreement, % | negative flips, % "
        "| positive flips, % "
        "| worst class of test, % |",
        "|---" * 7 + "|",
    ]
    for method in dict.fromkeys(rows.method):
        own = rows[rows.method == method]
        cells = []
        for metric in (
            "relative_robustness",
            "effective_robustness",
            "agreement",
            "negative_flips",
            "positive_flips",
        ):
            each = own[(own.metric == metric) & (own.role == "shift")].groupby("seed").value.mean()
            cells.append(spread_of(each))
        worst = own[(own.metric == "worst_class") & (own.role == "test")].groupby("seed").value.mean()
        lines.append(f"| `{method}` | {' | '.join([*cells, spread_of(worst)])} |")
    return "\n".join(lines)


def corruptions(rows: pd.DataFrame) -> str:
    """Mean accuracy by corruption over the severities, by severity over the corruptions, and over all."""
    own = rows[rows.role == "corruption"].copy()
    own[["corruption", "severity"]] = own.set.str.split("/", expand=True)
    lines = ["| accuracy, % | " + " | ".join(f"`{m}`" for m in SHOWN) + " |", "|---" * (1 + len(SHOWN)) + "|"]
    clean = rows[(rows.role == "test") & (rows.metric == "accuracy")].set_index("method").value
    lines.append("| no corruption | " + " | ".join(f"{clean[m]:.1f}" for m in SHOWN) + " |")
    for column, title in (("corruption", "{}"), ("severity", "severity {}, all corruptions")):
        means = own.groupby([column, "method"], sort=False).value.mean()
        for name in dict.fromkeys(own[column]):
            cells = " | ".join(f"{means[name, m]:.1f}" for m in SHOWN)
            lines.append(f"| {title.format(name.replace('_', ' '))} | {cells} |")
    mean = own.groupby("method").value.mean()
    lines.append("| **mean of all 75** | " + " | ".join(f"**{mean[m]:.1f}**" for m in SHOWN) + " |")
    return "\n".join(lines)
