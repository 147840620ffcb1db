"""Comparisons that were made on different days, as one: what `write_report` needs of all of them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from anchorline.metrics.significance import LEVEL, enough, holm
from anchorline.report.matching import SAME, must_match
from anchorline.report.published import beside, read_published

RUN = ["method", "seed"]


@dataclass(frozen=True, eq=False)
class Merged:
    """The tables of `write_report`, and what is known of how they came about.

    Attributes:
        rows: as in results.jsonl, each (method, seed) from the newest comparison that holds it.
        curves, movements, differences: as in alpha.csv, movement.csv, differences.csv; may be empty.
        published: as in published.csv, beside the merged rows; may be empty.
        facts: label and value, in the order to show.
        notes: sentences that the reader must know.
    """

    rows: pd.DataFrame
    curves: pd.DataFrame
    movements: pd.DataFrame
    differences: pd.DataFrame
    published: pd.DataFrame
    facts: dict[str, str]
    notes: list[str]


def merge(directories: Sequence[str | Path]) -> Merged:
    """Read comparison directories and put their results side by side.

    Of a method and seed that several hold, the rows of the directory with the newest results.jsonl are kept;
    with other settings than before, a method is called after its directory too.
    Tested differences are kept where both methods' rows are those that were tested; they are corrected anew
    (Holm 1979), for the pairs of all directories. Where these are so many that the least p that resamples can
    give would not survive it, each keeps the correction of its own directory, and a note says so.

    Raises:
        ValueError: a directory holds no results; or two hold different suites, encoders, conventions of FPR,
            temperatures, corruptions or formats of rows. One sentence names both and what to do.
    """
    if not directories:
        raise ValueError("there is nothing to merge; name at least one directory that compare wrote")
    paths = list(dict.fromkeys(Path(d) for d in directories))
    paths.sort(key=_age)
    tables = {path: _rows(path) for path in paths}
    names = _told_apart(tables)
    tables = {path: table.replace({"method": names[path]}) for path, table in tables.items()}
    must_match(tables)
    source = {key: path for path in paths for key in _runs(tables[path])}  # the newest wins
    # Methods stand in the order of the oldest comparison that knows them.
    order = {key: i for i, key in enumerate(dict.fromkeys(k for p in paths for k in _runs(tables[p])))}
    kept = {path: _kept(tables[path], path, source) for path in paths}
    rows = pd.concat(kept.values())
    place = pd.Series([order[key] for key in _keys(rows)], index=rows.index, dtype=int)
    rows = rows.assign(_place=place.to_numpy()).sort_values("_place", kind="stable").drop(columns="_place")
    rows = rows.reset_index(drop=True)
    curves, movements = (
        pd.concat([_kept(_table(path, name, names[path]), path, source) for path in paths], ignore_index=True)
        for name in ("alpha.csv", "movement.csv")
    )
    differences, together = _differences(
        {path: _table(path, "differences.csv", names[path]) for path in paths}, tables, rows
    )
    repeated = sum(len(_runs(t)) for t in tables.values()) - len(order)
    notes = []
    if repeated:
        notes.append(f"Repeated runs (same method and seed) left out, the newest counts: {repeated}.")
    if len(paths) > 1 and not differences.empty:
        notes.append("Differences between methods of different directories were not tested.")
    notes.append("Pictures, classes, mistakes and changes are in the reports of the single comparisons.")
    if not together:
        notes.append(
            "Differences are corrected for the pairs of their own directory alone, having too few resamples "
            "for the pairs of all; compare all methods in one directory for that."
        )
    papers = dict.fromkeys(
        replace(one, method=names[path].get(one.method, one.method))
        for path in paths
        for one in read_published(path)
    )
    return Merged(
        rows, curves, movements, differences, beside(rows, list(papers)), _facts(paths, rows), notes
    )


def _age(path: Path) -> float:
    try:
        return (path / "results.jsonl").stat().st_mtime
    except OSError as error:
        raise ValueError(
            f"{path} holds no results.jsonl ({error.strerror}); name a directory that compare wrote"
        ) from error


def _rows(path: Path) -> pd.DataFrame:
    try:
        with (path / "results.jsonl").open(encoding="utf-8") as lines:
            table = pd.DataFrame([json.loads(line) for line in lines])
        needed = [*RUN, *SAME, "set", "role", "metric", "value", "score", "temperature", "convention", "unit"]
        if table.empty or not set(needed) <= set(table.columns):
            raise ValueError("columns are missing")
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path / 'results.jsonl'} cannot be read ({error}); run compare again into that directory"
        ) from error
    return table


def _told_apart(tables: dict[Path, pd.DataFrame]) -> dict[Path, dict[str, str]]:
    """For each directory, new names of the methods that an older one ran with other settings."""
    names: dict[Path, dict[str, str]] = {}
    called: dict[tuple[str, int], dict[str, str]] = {}  # by method and seed: names by settings
    for path, table in tables.items():
        names[path] = {}
        for method, runs in _identity(table).items():
            known = {settings: called.get((method, seed), {}) for seed, settings in runs}
            same = [others[settings] for settings, others in known.items() if settings in others]
            name = same[0] if same else f"{method} ({path.name})" if any(known.values()) else method
            names[path][method] = name
            for seed, settings in runs:
                called.setdefault((method, seed), {})[settings] = name
    return names


def _table(path: Path, name: str, names: dict[str, str]) -> pd.DataFrame:
    try:
        table = pd.read_csv(path / name)
    except (OSError, pd.errors.EmptyDataError):
        return pd.DataFrame()
    return table.replace({column: names for column in ("method", "a", "b") if column in table})


def _keys(table: pd.DataFrame) -> list[tuple[str, int]]:
    return [(str(m), int(s)) for m, s in zip(table["method"], table["seed"], strict=True)]


def _runs(table: pd.DataFrame) -> list[tuple[str, int]]:
    return list(dict.fromkeys(_keys(table)))


def _kept(table: pd.DataFrame, path: Path, source: dict[tuple[str, int], Path]) -> pd.DataFrame:
    """The rows of runs for which this directory stands."""
    if table.empty:
        return table
    return table[[source.get(key) == path for key in _keys(table)]]


def _differences(
    found: dict[Path, pd.DataFrame], tables: dict[Path, pd.DataFrame], rows: pd.DataFrame
) -> tuple[pd.DataFrame, bool]:
    """Pairs of methods whose rows are those that were tested, once each; and whether all are corrected
    together."""
    now = _identity(rows)
    current = []
    for path, pairs in reversed(found.items()):  # the newest first: of a repeated pair it is kept
        if pairs.empty:
            continue
        then = _identity(tables[path])
        same = {m for m in then if then[m] == now[m]}
        current.append(pairs[pairs["a"].isin(same) & pairs["b"].isin(same)])
    if not current:
        return pd.DataFrame(), True
    table = pd.concat(current, ignore_index=True)
    unordered = [(axis, *sorted((a, b))) for a, b, axis in table[["a", "b", "axis"]].itertuples(index=False)]
    table = table[~pd.Series(unordered, dtype=object).duplicated()].reset_index(drop=True)
    # The least p is 2 / (resamples + 1); times the pairs of an axis it must come below the level.
    coarsest = max(2 / (enough(tables[path]["method"].nunique()) + 1) for path in found)
    together = coarsest * table["axis"].value_counts().max() < LEVEL
    if together:
        table["p_holm"] = table.groupby("axis")["p"].transform(lambda p: holm(p.to_numpy(dtype=float)))
    return table.assign(significant=table["p_holm"] < LEVEL), bool(together)


def _identity(table: pd.DataFrame) -> dict[str, frozenset[tuple[int, str]]]:
    """Of each method: its seeds with the hash of what was asked for."""
    asked = table["config_hash"].astype(str) if "config_hash" in table else pd.Series("", index=table.index)
    found: dict[str, set[tuple[int, str]]] = {}
    for (method, seed), one in zip(_keys(table), asked, strict=True):
        found.setdefault(method, set()).add((seed, one))
    return {method: frozenset(values) for method, values in found.items()}


def _facts(paths: Sequence[Path], rows: pd.DataFrame) -> dict[str, str]:
    def several(column: str) -> str:
        return ", ".join(dict.fromkeys(rows[column].dropna().astype(str))) if column in rows else "unknown"

    return {
        "Merged from": ", ".join(map(str, paths)),
        "Suite": f"{several('suite')} (hash {several('suite_hash')})",
        "Encoder": f"{several('encoder')} (weights hash {several('encoder_hash')})",
        "Seeds": several("seed"),
        "Version": f"anchorline {several('version')}, commit {several('commit')}",
    }
