"""Comparisons of different days as one report, and what may not be mixed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from anchorline.report import merge, write_report
from anchorline.report.published import Published, beside, write_published
from tests.helpers.reported import Suite

SMALL: dict[str, Any] = {
    "shifts": ("filled",),
    "outliers": ("flags",),
    "detectors": ("msp",),
    "corruptions": (),
}


def directory(path: Path, methods: tuple[str, ...], day: int, seeds: int = 1, **identity: Any) -> Path:
    """A comparison directory, as `compare` writes one on that day."""
    suite = Suite(methods, seeds=seeds, identity=identity, **SMALL)
    path.mkdir()
    rows = suite.rows()
    (path / "results.jsonl").write_text(rows.to_json(orient="records", lines=True))
    suite.curves().to_csv(path / "alpha.csv", index=False)
    suite.movements().to_csv(path / "movement.csv", index=False)
    suite.differences().to_csv(path / "differences.csv", index=False)
    os.utime(path / "results.jsonl", (day, day))
    return path


def test_methods_of_two_days_stand_side_by_side(tmp_path: Path):
    late = directory(tmp_path / "late", ("zero-shot", "ftp", "wise-ft"), 2)
    early = directory(tmp_path / "early", ("zero-shot", "fine-tune"), 1)
    merged = merge([late, early])
    assert list(merged.rows["method"].unique()) == ["zero-shot", "fine-tune", "ftp", "wise-ft"]
    assert not merged.rows.duplicated(
        ["method", "seed", "set", "role", "metric", "score", "convention"]
    ).any()
    assert set(merged.curves["method"]) == {"wise-ft"}
    assert set(merged.movements["method"]) == {"fine-tune", "ftp"}
    assert str(early) in merged.facts["Merged from"]
    assert any("newest counts: 1." in note for note in merged.notes)
    tables = {"curves": merged.curves, "movements": merged.movements, "differences": merged.differences}
    write_report(
        tmp_path / "r.html", title="t", rows=merged.rows, facts=merged.facts, notes=merged.notes, **tables
    )


def test_published_figures_stand_beside_the_rows_that_are_kept(tmp_path: Path):
    papers = [
        Published("ftp", "test", "accuracy", 50.0, "a paper, table 1", note="other data"),
        Published("spd", "", "shift_accuracy", 40.0, "another paper"),
    ]
    early = directory(tmp_path / "early", ("zero-shot", "ftp"), 1)
    late = directory(tmp_path / "late", ("zero-shot", "ftp"), 2)
    rows = pd.read_json(late / "results.jsonl", lines=True)
    write_published(early, beside(pd.read_json(early / "results.jsonl", lines=True), papers))
    write_published(late, beside(rows, papers[:1]))
    found = merge([early, late]).published
    own = rows[(rows.method == "ftp") & (rows.set == "test") & (rows.metric == "accuracy")].value.mean()
    assert found["method"].tolist() == ["ftp", "spd"]  # once each
    assert found["difference"].iloc[0] == pytest.approx(own - 50.0)
    assert found["measured"].isna().tolist() == [False, True]
    assert found["note"].tolist() == ["other data", ""]
    assert merge([directory(tmp_path / "none", ("zero-shot",), 3)]).published.empty


def test_the_newest_rows_of_a_repeated_run_are_kept(tmp_path: Path):
    early = directory(tmp_path / "early", ("zero-shot", "ftp"), 1, seeds=2)
    late = directory(tmp_path / "late", ("zero-shot", "ftp"), 2, commit="new")
    lines = pd.read_json(early / "results.jsonl", lines=True).assign(commit="old")
    (early / "results.jsonl").write_text(lines.to_json(orient="records", lines=True))
    os.utime(early / "results.jsonl", (1, 1))
    rows = merge([late, early]).rows
    kept = rows.groupby(["method", "seed"])["commit"].unique().map(list).to_dict()
    assert kept == {("zero-shot", 0): ["new"], ("ftp", 0): ["new"], ("ftp", 1): ["old"]}


def test_differences_are_corrected_for_the_pairs_of_all_directories(tmp_path: Path):
    one = directory(tmp_path / "one", ("zero-shot", "ftp"), 1)
    other = directory(tmp_path / "other", ("zero-shot", "fine-tune", "spd"), 2, config_hash="same")
    again = directory(tmp_path / "again", ("zero-shot", "lora"), 3, config_hash="same")
    for path, p in ((one, 0.004), (other, 0.002), (again, 0.006)):
        table = pd.read_csv(path / "differences.csv").assign(p=p)
        table.to_csv(path / "differences.csv", index=False)
    found = merge([one, other, again]).differences
    own = found[found.axis == "auroc"].set_index(["a", "b"])["p_holm"].to_dict()
    # The untouched encoder of `one` was run with other settings than the newer ones.
    assert set(own) == {
        ("zero-shot", "ftp"), ("zero-shot (other)", "fine-tune"), ("zero-shot (other)", "spd"),
        ("fine-tune", "spd"), ("zero-shot (other)", "lora"),
    }  # fmt: skip
    assert list(own.values()) == [pytest.approx(0.01)] * 5  # Holm: 5 x .002, and the others rise to it
    assert found["significant"].all()


def test_other_settings_under_one_name_stay_apart(tmp_path: Path):
    """A residual over the probe and the probe itself are both called linear-probe."""
    monday = directory(tmp_path / "monday", ("zero-shot", "linear-probe"), 1)
    tuesday = directory(tmp_path / "tuesday", ("zero-shot", "linear-probe"), 2)
    rows = pd.read_json(tuesday / "results.jsonl", lines=True)
    rows.loc[rows.method == "linear-probe", "config_hash"] = "residual"
    (tuesday / "results.jsonl").write_text(rows.to_json(orient="records", lines=True))
    merged = merge([monday, tuesday])
    assert list(merged.rows.method.unique()) == ["zero-shot", "linear-probe", "linear-probe (tuesday)"]
    assert {("zero-shot", "linear-probe"), ("zero-shot", "linear-probe (tuesday)")} <= set(
        merged.differences[["a", "b"]].itertuples(index=False, name=None)
    )


def test_many_pairs_do_not_drown_every_difference(tmp_path: Path):
    """Two comparisons of eight methods: 56 pairs an axis, and 1,400 resamples give no p below .0014."""
    names = [f"m{i}" for i in range(14)]
    one = directory(tmp_path / "one", ("zero-shot", *names[:7]), 1, config_hash="same")
    other = directory(tmp_path / "other", ("zero-shot", *names[7:]), 2, config_hash="same")
    for path in (one, other):
        table = pd.read_csv(path / "differences.csv").assign(p=2 / 1401, p_holm=28 * 2 / 1401)
        table.to_csv(path / "differences.csv", index=False)
    merged = merge([one, other])
    assert merged.differences["axis"].value_counts().max() == 56
    assert merged.differences["significant"].all()
    assert any("pairs of their own directory alone" in note for note in merged.notes)
    assert not any("alone" in note for note in merge([one]).notes)


def test_means_over_other_corruptions_are_refused(tmp_path: Path):
    paths = [directory(tmp_path / name, (name,), day) for day, name in enumerate(("a", "b", "c"))]
    for path, damaged in zip(paths[1:], ("fog/1", "fog/2"), strict=True):
        rows = pd.read_json(path / "results.jsonl", lines=True)
        more = rows.iloc[:1].assign(role="corruption", set=damaged)
        pd.concat([rows, more]).to_json(path / "results.jsonl", orient="records", lines=True)
    assert set(merge(paths[:2]).rows["method"]) == {"a", "b"}
    with pytest.raises(ValueError, match="their corruptions differ"):
        merge(paths)


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("suite_hash", "another", "their suite differs, in train, val or the files of other sets"),
        ("encoder_hash", "another", "their encoder differs"),
        ("version", "0.2.0", "different formats"),
        ("unit", "points", "the unit of"),
        ("convention", "outlier-positive", "the convention of fpr95 msp"),
        ("temperature", 2.0, "the temperature of"),
    ],
)
def test_what_does_not_compare_is_refused(tmp_path: Path, column: str, value: Any, says: str):
    one = directory(tmp_path / "one", ("zero-shot",), 1)
    other = directory(tmp_path / "other", ("ftp",), 2)
    rows = pd.read_json(other / "results.jsonl", lines=True)
    where = (
        rows["metric"].eq("fpr95")
        if column in ("convention", "unit", "temperature")
        else rows["method"].notna()
    )
    rows.loc[where, column] = value
    (other / "results.jsonl").write_text(rows.to_json(orient="records", lines=True))
    os.utime(other / "results.jsonl", (2, 2))
    with pytest.raises(ValueError, match=says) as raised:
        merge([other, one])
    assert str(one) in str(raised.value)
    assert str(other) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_sets_in_which_suites_differ_are_named(tmp_path: Path):
    one = directory(tmp_path / "one", ("zero-shot",), 1)
    other = directory(tmp_path / "other", ("ftp",), 2)
    rows = pd.read_json(other / "results.jsonl", lines=True)
    rows.loc[rows["set"] == "filled", "n"] = 7
    rows["suite_hash"] = "another"
    (other / "results.jsonl").write_text(rows.to_json(orient="records", lines=True))
    with pytest.raises(ValueError, match=r"their suite differs, in filled \(hashes"):
        merge([other, one])


def test_temperatures_that_val_chose_may_differ(tmp_path: Path):
    one = directory(tmp_path / "one", ("zero-shot",), 1)
    other = directory(tmp_path / "other", ("ftp",), 2)
    rows = pd.read_json(other / "results.jsonl", lines=True)
    rows.loc[rows["score"] == "scaled", "temperature"] = 3.3
    (other / "results.jsonl").write_text(rows.to_json(orient="records", lines=True))
    assert set(merge([one, other]).rows["method"]) == {"zero-shot", "ftp"}


def test_directories_without_results_are_named(tmp_path: Path):
    with pytest.raises(ValueError, match=r"nowhere holds no results\.jsonl"):
        merge([tmp_path / "nowhere"])
    with pytest.raises(ValueError, match="nothing to merge"):
        merge([])
    broken = directory(tmp_path / "negative_flips", ("zero-shot",), 1)
    for text in ("{", '{"method": "x"}\n'):
        (broken / "results.jsonl").write_text(text)
        with pytest.raises(ValueError, match="cannot be read"):
            merge([broken])


def test_other_promises_are_refused(tmp_path: Path):
    """What keeps 95 % of val and what keeps 90 % do not stand in one column."""
    paths = [directory(tmp_path / name, (name,), day) for day, name in enumerate(("a", "b"))]
    for path, keep in zip(paths, ("keep 0.95", "keep 0.9"), strict=True):
        rows = pd.read_json(path / "results.jsonl", lines=True)
        rows.loc[rows.metric == "coverage", "convention"] = keep
        rows.to_json(path / "results.jsonl", orient="records", lines=True)
    with pytest.raises(ValueError, match=r"cannot share a report: .*keep 0.9"):
        merge(paths)
