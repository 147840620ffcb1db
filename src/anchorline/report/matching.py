"""Whether the rows of several comparisons may stand in one table."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pandas as pd

SAME = {"suite_hash": "suite", "encoder_hash": "encoder"}  # column: what it tells


def must_match(tables: Mapping[Path, pd.DataFrame]) -> None:
    """Raise unless the rows of all directories may stand in one table.

    Raises:
        ValueError: suites, encoders, conventions of FPR, units, temperatures, corruptions or formats of rows
            differ. One sentence names the directories and what to do.
    """
    first, *others = tables
    for other in others:
        _pair(first, tables[first], other, tables[other])
    damaged = {p: frozenset(t.loc[t["role"] == "corruption", "set"]) for p, t in tables.items()}
    for one, other in pairwise(path for path in tables if damaged[path]):
        if damaged[one] != damaged[other]:
            raise ValueError(
                f"{one} and {other} cannot share a report: their corruptions differ, and so does what their "
                "mean is of; compare one of them again"
            )
    for path, table in tables.items():
        for column, what in SAME.items():
            if table[column].nunique() > 1:
                raise ValueError(f"{path} holds rows of several {what}s; compare each into its own directory")


def _pair(first: Path, one: pd.DataFrame, second: Path, other: pd.DataFrame) -> None:
    mixed = f"{first} and {second} cannot share a report: "
    for column, what in SAME.items():
        a, b = one[column].iloc[0], other[column].iloc[0]
        if a != b:
            of = f", {_other_images(one, other)}" if what == "suite" else ""
            raise ValueError(f"{mixed}their {what} differs{of} (hashes {a} and {b}); report each by itself")
    if list(one.columns) != list(other.columns) or _release(one) != _release(other):
        raise ValueError(
            f"{mixed}their rows have different formats (versions {_release(one)} and {_release(other)}); "
            "compare the older one again, finished runs are not trained anew"
        )
    for column in ("unit", "convention", "temperature"):
        ours, theirs = _meanings(one, column), _meanings(other, column)
        for key in ours.keys() & theirs.keys():
            if ours[key] != theirs[key]:
                said = " and ".join("/".join(sorted(map(str, v))) or "none" for v in (ours[key], theirs[key]))
                name = " ".join(filter(None, key))
                raise ValueError(f"{mixed}the {column} of {name} differs ({said}); compare one of them again")


def _other_images(one: pd.DataFrame, other: pd.DataFrame) -> str:
    """In which sets two suites differ, as far as their rows tell."""
    ours, theirs = (
        t[t["role"].isin(["test", "shift", "outlier"])].groupby("set")["n"].max() for t in (one, other)
    )
    differ = [name for name in ours.index.union(theirs.index) if ours.get(name) != theirs.get(name)]
    return f"in {', '.join(differ)}" if differ else "in train, val or the files of other sets"


def _release(table: pd.DataFrame) -> str:
    """Major and minor version that wrote the rows."""
    versions = table["version"].astype(str) if "version" in table else pd.Series(["unknown"])
    return "/".join(sorted({".".join(v.split(".")[:2]) for v in versions}))


def _meanings(table: pd.DataFrame, column: str) -> dict[tuple[str, str], frozenset[object]]:
    """By (metric, score): which conventions or units there are, or the one temperature.

    A temperature that each run chose for itself on val says nothing of how it was measured.
    """
    text = table.assign(metric=table["metric"].astype(str), score=table["score"].fillna("").astype(str))
    groups = text.dropna(subset=[column]).groupby(["metric", "score"])[column]
    found = {(str(k[0]), str(k[1])): frozenset(values) for k, values in groups.unique().items()}
    return {k: v for k, v in found.items() if column != "temperature" or (len(v) == 1 and k[1] != "scaled")}
