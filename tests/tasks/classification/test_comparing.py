"""`compare` on real folders: what it writes, that its files agree, and that the same again is quick."""

import gc
import json
import re
import shutil
import weakref
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from anchorline import (
    METHODS,
    SUITES,
    Comparison,
    Encoder,
    FeatureStore,
    Suite,
    UserError,
    compare,
    load,
)
from anchorline.classifier.runs import read_record
from anchorline.evaluation.base import Options
from anchorline.evaluation.evaluators.accuracy import accuracy
from anchorline.evaluation.outputs import outputs_of
from anchorline.methods.settings import override
from anchorline.metric import AXES
from anchorline.report import MethodDetails
from anchorline.tasks.classification import comparing, measuring, writing
from anchorline.tasks.classification.measuring import Measured, read_measurement
from anchorline.tasks.facts import plan, told_of, unfit
from anchorline.training.loop import train

# fmt: off
COLUMNS = [
    "suite", "suite_hash", "encoder", "encoder_hash", "method", "seed", "set", "role", "metric", "value",
    "unit", "low", "high", "n", "score", "temperature", "convention", "commit", "config_hash", "version",
]
# fmt: on


@pytest.fixture
def calls(monkeypatch) -> list[int]:
    """How many images each call of the image tower was given."""
    counted: list[int] = []
    real = Encoder.encode_images

    def count(self, pixels, progress=None):
        counted.append(len(pixels))
        return real(self, pixels, progress)

    monkeypatch.setattr(Encoder, "encode_images", count)
    return counted


@pytest.fixture(scope="module")
def found(tiny_encoder, colours, tmp_path_factory) -> Comparison:
    root = tmp_path_factory.mktemp("compared")
    store = FeatureStore(root / "cache")
    return compare(colours, tiny_encoder, ["linear-probe"], root / "out", seeds=[3], store=store)


def value(rows: pd.DataFrame, method: str, metric: str) -> float:
    own = rows[(rows.method == method) & (rows.metric == metric) & (rows.role == "summary")]
    assert len(own) == 1
    return float(own.value.iloc[0])


def as_read(rows: pd.DataFrame) -> pd.DataFrame:
    """As a file without types gives the table back: empty text and missing numbers alike."""
    return rows.replace("", None).astype(object).where(rows.notna() & rows.ne(""), None)


def assert_same(ours: pd.DataFrame, theirs: pd.DataFrame, rtol: float = 1e-8) -> None:
    pd.testing.assert_frame_equal(
        as_read(ours).reset_index(drop=True),
        as_read(theirs).reset_index(drop=True),
        check_dtype=False,
        rtol=rtol,
    )


def test_what_is_written(found):
    written = {p.relative_to(found.directory).as_posix() for p in found.directory.rglob("*") if p.is_file()}
    runs = {
        f"runs/{method}/seed-3/{name}"
        for method in ("linear-probe", "zero-shot")
        for name in ("config.json", "metrics.jsonl", "tuned.safetensors")
    }
    results = {"alpha.csv", "differences.csv", "movement.csv", "report.html", "results.csv", "results.jsonl"}
    assert {name for name in written if "answers/" not in name} == {"anchorline.json", *results, *runs}
    kept = sorted(re.sub("[0-9a-f]{16}", "HASH", name) for name in written if "answers/" in name)
    of_runs = [f"runs/{method}/seed-3/answers" for method in ("linear-probe", "zero-shot")]
    assert kept == [
        *(f"answers/{name}.json" for name in ("differences", "methods", "suite")),
        *(f"{run}/{name}-HASH.safetensors" for run in of_runs for name in ("details", "measurement")),
    ]
    assert found.report == found.directory / "report.html"
    page = found.report.read_text(encoding="utf-8")
    assert "zero-shot" in page
    assert "linear-probe" in page
    assert 'id="layers"' not in page  # nothing moved
    assert "shift &#39;dark&#39; holds 2 of the 3 classes; only these compete" in page


def test_zero_shot_is_added_and_first(found):
    assert list(found.classifiers) == ["zero-shot", "linear-probe"]
    assert list(found.rows.method.unique()) == ["zero-shot", "linear-probe"]


def test_csv_jsonl_and_the_runs_own_lines_agree_with_the_rows(found):
    assert list(found.rows.columns) == COLUMNS
    text = dict.fromkeys(("suite_hash", "encoder_hash", "config_hash", "commit", "version"), str)
    assert_same(pd.read_csv(found.directory / "results.csv", dtype=text), found.rows)
    lines = (found.directory / "results.jsonl").read_text(encoding="utf-8").splitlines()
    assert_same(pd.DataFrame([json.loads(line) for line in lines]), found.rows)
    for method in found.classifiers:
        own = (found.directory / "runs" / method / "seed-3" / "metrics.jsonl").read_text(encoding="utf-8")
        rows = pd.DataFrame([json.loads(line) for line in own.splitlines()])
        assert_same(rows, found.rows[found.rows.method == method])


def test_every_row_says_where_it_comes_from(found, colours, tiny_encoder):
    rows = found.rows
    assert set(rows.suite) == {"colours"}
    assert set(rows.encoder_hash) == {tiny_encoder.hash}
    assert set(rows.seed) == {3}
    assert rows.groupby("method").config_hash.nunique().tolist() == [1, 1]
    assert rows.config_hash.nunique() == 2
    assert not rows.duplicated(["method", "set", "role", "metric", "score", "convention"]).any()
    assert np.isfinite(rows.value).all()
    of_sets = rows[~rows.role.isin(["summary", "detection"]) & (rows.metric != "worst_class")]
    sizes = of_sets.groupby("set").n.unique().map(list).to_dict()
    assert sizes == {"test": [24], "dark": [10], "grey": [9]}
    rates = rows[rows.metric == "fpr95"]
    assert (rates.convention != "").all()
    assert rates[rates.score.isin(["msp", "mcm"])].temperature.eq(1).all()
    assert set(rows.role) == {"test", "shift", "outlier", "detection", "summary"}


def test_the_figures_are_those_of_the_classifiers(found, colours, tiny_encoder):
    store = FeatureStore(found.directory.parent / "cache")
    for method, classifier in found.classifiers.items():
        loaded = load(found.directory / "runs" / method / "seed-3", tiny_encoder)
        for name, images in (("test", colours.test), ("dark", colours.shifts["dark"])):
            views = classifier.views(store, images)
            rows = found.rows
            row = rows[(rows.method == method) & (rows.set == name) & (rows.metric == "accuracy")]
            assert row.value.item() == accuracy(name, "", outputs_of(classifier, images, views)).value
            assert torch.equal(loaded.logits(views), classifier.logits(views))
    assert value(found.rows, "linear-probe", "id_accuracy") > 95  # three plain colours


def test_changes_are_against_zero_shot(found):
    for axis, change in (
        ("id_accuracy", "delta_id"),
        ("shift_accuracy", "delta_shift"),
        ("auroc", "delta_auroc"),
    ):
        before, after = (value(found.rows, method, axis) for method in ("zero-shot", "linear-probe"))
        assert value(found.rows, "zero-shot", change) == 0
        assert value(found.rows, "linear-probe", change) == pytest.approx(after - before)
    assert value(found.rows, "linear-probe", "delta_id") != 0
    table = found.table
    assert list(table.index) == ["zero-shot", "linear-probe"]
    assert table.trainable_parameters.tolist() == [0, 3 * 24 + 3]
    assert table.loc["linear-probe", "delta_id"] == value(found.rows, "linear-probe", "delta_id")


def test_the_same_again_encodes_no_image(colours, tiny_encoder, tmp_path, calls):
    methods = ["zero-shot", "linear-probe"]
    synthetic = 2 * len(colours.val)  # outliers made of val
    sizes = sorted(len(images) for images in colours.sets().values())
    assert synthetic not in sizes
    first = compare(colours, tiny_encoder, methods, out=tmp_path / "one")
    assert sorted(count for count in calls if count != synthetic) == sizes
    again = compare(colours, tiny_encoder, methods, out=tmp_path / "two")
    assert sorted(count for count in calls if count != synthetic) == sizes
    assert list(again.rows.method.unique()) == methods
    measured = ~first.rows.metric.isin(["seconds", "peak_memory"])
    assert_same(again.rows[measured], first.rows[measured])
    written = [(tmp_path / out / "differences.csv").read_bytes() for out in ("one", "two")]
    assert written[0] == written[1]
    # Their seconds hold what encoding took when it was done, so they do not shrink to nothing.
    seconds = first.rows[(first.rows.method == "linear-probe") & (first.rows.metric == "seconds")]
    encoding = FeatureStore().images(tiny_encoder, colours.train).seconds
    assert seconds.value.item() >= encoding


QUICK = {"training.epochs": "2", "training.batch_size": "8", "training.lr": "1e-3"}
TRAINED = [
    replace(override(METHODS[name], QUICK), search=())
    for name in ("fine-tune", "wise-ft", "residual-reprogrammer")
]


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> FeatureStore:
    return FeatureStore(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def pages(monkeypatch) -> list[list[MethodDetails]]:
    """What each report shows of the methods."""
    shown: list[list[MethodDetails]] = []
    real = writing.write_report
    monkeypatch.setattr(writing, "write_report", lambda *a, **k: shown.append(k["details"]) or real(*a, **k))
    return shown


@pytest.fixture(scope="module")
def trained(colours, tiny_encoder, store, tmp_path_factory) -> Comparison:
    """Three methods that train, and two that do not, with two seeds."""
    with pytest.MonkeyPatch.context() as patch:
        calls = []
        patch.setattr(
            "anchorline.tasks.classification.run.train",
            lambda *a, **k: calls.append(1) or train(*a, **k),
        )
        out = tmp_path_factory.mktemp("trained")
        found = compare(colours, tiny_encoder, ["linear-probe", *TRAINED], out, seeds=[0, 1], store=store)
    assert len(calls) == 2 * 2  # wise-ft is fine-tune with another blend
    return found


def test_seeds_spread(trained):
    seeds = trained.rows.groupby("method", sort=False).seed.unique().map(list).to_dict()
    assert seeds == {
        "zero-shot": [0], "linear-probe": [0], "fine-tune": [0, 1], "wise-ft": [0, 1],
        "residual-reprogrammer": [0, 1],
    }  # fmt: skip
    assert trained.classifiers["fine-tune"].seed == 0
    runs = [trained.directory / "runs" / "fine-tune" / f"seed-{seed}" for seed in (0, 1)]
    assert len({(run / "tuned.safetensors").read_bytes() for run in runs}) == 2


def test_finished_runs_are_not_run_again(trained, colours, tiny_encoder, store, tmp_path, monkeypatch, pages):
    out = shutil.copytree(trained.directory, tmp_path / "out")
    methods = ["linear-probe", *TRAINED]
    for done in ("run.train", "measuring.collect", "gathering.differences"):  # nothing of it is done again
        monkeypatch.setattr(f"anchorline.tasks.classification.{done}", None)
    again = compare(colours, tiny_encoder, methods, out, seeds=[0, 1], store=store)
    for name in ("results.csv", "results.jsonl", "differences.csv", "alpha.csv", "movement.csv"):
        assert (out / name).read_bytes() == (trained.directory / name).read_bytes(), name
    # Fewer are asked for: all that are finished are shown.
    part = compare(colours, tiny_encoder, methods[:2], out, seeds=[1], store=store)
    assert_same(part.rows, trained.rows)
    # Pictures are those of the lowest seed.
    assert [[shown.method for shown in page] for page in pages] == 2 * [list(again.classifiers)]
    tuned = again.classifiers["fine-tune"]
    assert tuned.seed == 0
    outputs = outputs_of(tuned, colours.test, tuned.views(store, colours.test))
    for page in pages:
        np.testing.assert_allclose(page[2].histograms[0].scores, outputs.confidence, rtol=1e-6)


def test_another_method_costs_that_method_alone(trained, colours, tiny_encoder, store, tmp_path, monkeypatch):
    out = shutil.copytree(trained.directory, tmp_path / "out")
    monkeypatch.setattr("anchorline.tasks.classification.run.train", None)
    measured = []
    real = measuring.collect
    monkeypatch.setattr(measuring, "collect", lambda one, *a, **k: measured.append(one) or real(one, *a, **k))
    more = compare(colours, tiny_encoder, ["zero-shot-single"], out, store=store)
    assert [one.method.name for one in measured] == ["zero-shot-single"]
    assert list(more.classifiers) == [*trained.classifiers, "zero-shot-single"]
    assert_same(more.rows[more.rows.method != "zero-shot-single"], trained.rows)
    assert_differences(pd.read_csv(out / "differences.csv"), more)


def test_any_process_can_do_any_of_the_work(trained, colours, tiny_encoder, store, tmp_path):
    """Runs and answers that others have left are taken, and what is missing is done: any parts, any order."""
    out = shutil.copytree(trained.directory, tmp_path / "out")
    shutil.rmtree(out / "runs" / "wise-ft" / "seed-1")
    shutil.rmtree(out / "runs" / "zero-shot" / "seed-0" / "answers")
    (out / "runs" / "fine-tune" / "seed-0" / "config.json").unlink()
    for file in ("results.csv", "results.jsonl", "report.html"):
        (out / file).unlink()
    again = compare(colours, tiny_encoder, ["linear-probe", *TRAINED], out, seeds=[1, 0], store=store)
    measured = ~again.rows.metric.isin(["seconds", "peak_memory"])
    assert_same(again.rows[measured], trained.rows[measured], rtol=1e-5)
    assert again.report.is_file()


def test_another_suite_or_encoder_is_refused(trained, colours, tiny_encoder, store, tmp_path, monkeypatch):
    out = shutil.copytree(trained.directory, tmp_path / "out")
    (out / "notes.txt").write_text("mine")
    other = replace(colours, name="others", test=colours.val)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    with monkeypatch.context() as patch:
        patch.setattr(Encoder, "encode_images", None)  # before any long work
        with pytest.raises(UserError, match=r"out holds a comparison .* of colours \(hash .*\), not others"):
            compare(other, tiny_encoder, ["linear-probe"], out, store=store)
        same = [override(METHODS["fine-tune"], {**QUICK, "training.epochs": "3"})]
        with pytest.raises(UserError, match=r"fine-tune/seed-0 holds a finished run with other settings"):
            compare(colours, tiny_encoder, same, out, store=store)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    found = compare(other, tiny_encoder, ["linear-probe"], out, store=store, overwrite=True)
    assert set(found.rows.suite) == {"others"}
    assert list(found.classifiers) == ["zero-shot", "linear-probe"]
    assert sorted(path.name for path in (out / "runs").iterdir()) == ["linear-probe", "zero-shot"]
    assert (out / "notes.txt").read_text() == "mine"
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.tex").touch()
    with pytest.raises(UserError, match=r"foreign holds something else \(thesis.tex, say\)"):
        compare(colours, tiny_encoder, [], tmp_path / "foreign", store=store, overwrite=True)


def test_differences_of_all_pairs(trained):
    assert_differences(pd.read_csv(trained.directory / "differences.csv"), trained)


def assert_differences(differences: pd.DataFrame, found: Comparison) -> None:
    """All pairs on all axes: a less b, as means over seeds, within its interval."""
    pairs = [(*pair, axis) for axis in AXES for pair in combinations(found.classifiers, 2)]
    assert list(differences[["a", "b", "axis"]].itertuples(index=False, name=None)) == pairs
    means = found.table
    for row in differences.itertuples():
        gap = means.loc[row.a, row.axis] - means.loc[row.b, row.axis]
        assert row.difference == pytest.approx(gap, abs=1e-6)
        assert row.low <= row.difference + 1e-9
        assert row.difference <= row.high + 1e-9
        assert 0 < row.p <= row.p_holm <= 1
        assert row.significant == (row.p_holm < 0.05)


def test_a_clear_difference_is_significant(found):
    differences = pd.read_csv(found.directory / "differences.csv")
    assert_differences(differences, found)
    axis = differences.set_index("axis").loc["id_accuracy"]
    assert (axis.a, axis.b) == ("zero-shot", "linear-probe")
    assert axis.difference < axis.high < 0
    assert axis.significant


def test_memory_does_not_grow_by_run(colours, tiny_encoder, tmp_path, monkeypatch):
    seen, alive = [], []

    def examining(*arguments, **more):
        evaluation, left_out = collect(*arguments, **more)
        held = [evaluation, *evaluation.outputs.values(), evaluation.val]
        tensors = [tensor for one in held[1:] for tensor in (one.logits, one.cosines, one.features)]
        seen.append([weakref.ref(thing) for thing in (*held, *tensors)])
        return evaluation, left_out

    def gathering(*arguments):
        gc.collect()
        alive.extend(any(ref() is not None for ref in refs) for refs in seen)
        return gather(*arguments)

    collect, gather = measuring.collect, comparing.gather
    monkeypatch.setattr(measuring, "collect", examining)
    monkeypatch.setattr(comparing, "gather", gathering)
    compare(colours, tiny_encoder, ["zero-shot-single", "linear-probe"], tmp_path)
    assert alive == [False, False, False]


def test_what_is_kept_of_each_image(found, colours, tiny_encoder):
    run = found.directory / "runs" / "linear-probe" / "seed-3"
    kept = read_measurement(
        Measured(colours, Options(), tiny_encoder).measurement(run, read_record(run).identity)
    )
    assert {name: tuple(right.shape) for name, right in kept.right.items()} == {"test": (24,), "dark": (10,)}
    assert all(right.dtype == torch.bool for right in kept.right.values())
    assert {name: tuple(one.shape) for name, one in kept.confidence.items()} == {"test": (24,), "grey": (9,)}
    own = found.rows[(found.rows.method == "linear-probe") & (found.rows.metric == "accuracy")]
    for name, right in kept.right.items():
        assert 100 * right.double().mean().item() == pytest.approx(own[own.set == name].value.item())


def test_methods_that_differ_in_their_blend_are_trained_once(trained):  # which counts the trainings
    ours, theirs = (trained.classifiers[name] for name in ("fine-tune", "wise-ft"))
    assert all(torch.equal(ours.tuned[name], theirs.tuned[name]) for name in ours.tuned)
    assert theirs.seconds > ours.seconds  # its cost is all of it


def test_alpha_curves_end_where_the_two_classifiers_stand(trained):
    curves = pd.read_csv(trained.directory / "alpha.csv")
    assert set(curves.method) == {"wise-ft", "residual-reprogrammer"}
    rows = trained.rows

    def reached(method: str, seed: int, axis: str) -> float:
        own = rows[(rows.method == method) & (rows.seed == seed) & (rows.role == "summary")]
        return own[own.metric == axis].value.item()

    for (method, seed), curve in curves.groupby(["method", "seed"]):
        assert curve.alpha.tolist() == pytest.approx([i / 10 for i in range(11)])
        chosen = curve[curve.chosen].iloc[0]
        for axis in AXES:
            assert chosen[axis] == pytest.approx(reached(method, seed, axis))
    for seed in (0, 1):
        ends = curves[(curves.method == "wise-ft") & (curves.seed == seed)].set_index("alpha")
        for axis in AXES:
            assert ends[axis][0.0] == pytest.approx(reached("fine-tune", seed, axis), abs=0.01)
            assert ends[axis][1.0] == pytest.approx(reached("zero-shot", 0, axis), abs=0.01)


def test_layers_are_followed_in_the_first_run_of_each_method(colours, tiny_encoder, tmp_path):
    methods = [
        override(METHODS[name], QUICK | more) for name, more in (("ftp", {"constraint.k": "1"}), ("flyp", {}))
    ]
    found = compare(colours, tiny_encoder, ["linear-probe", *methods], tmp_path, seeds=[1, 0])
    moved = pd.read_csv(tmp_path / "movement.csv")
    assert list(moved.columns) == ["method", "seed", "epoch", "parameter", "deviation", "radius"]
    held, both = (moved[moved.method == name] for name in ("ftp", "flyp"))
    assert len(held) + len(both) == len(moved)
    assert set(moved.seed) == {0}
    assert set(moved.epoch) == {1, 2}
    assert held.radius.notna().all()
    assert both.radius.isna().all()
    assert set(held.parameter) < set(both.parameter)  # the image tower's layers have one name
    page = found.report.read_text(encoding="utf-8")
    assert '<section id="layers">' in page
    assert "ftp: learned radii" in page


def test_a_method_asked_for_twice_is_run_once(colours, tiny_encoder, tmp_path):
    found = compare(colours, tiny_encoder, ["zero-shot-single", "zero-shot", "zero-shot-single"], tmp_path)
    assert list(found.classifiers) == ["zero-shot", "zero-shot-single"]


def test_the_untouched_encoder_alone(colours, tiny_encoder, tmp_path):
    found = compare(colours, tiny_encoder, [], tmp_path)
    assert list(found.classifiers) == ["zero-shot"]
    assert pd.read_csv(tmp_path / "differences.csv").empty
    robust = found.rows[found.rows.metric.isin(["relative_robustness", "effective_robustness"])]
    assert robust.set.tolist() == ["dark", "dark"]
    assert robust.value.tolist() == pytest.approx([0, 0], abs=1e-9)
    assert found.report.is_file()


def test_a_suite_of_test_alone(tiny_encoder, colour_folders, tmp_path):
    suite = Suite.from_folders(colour_folders / "train", colour_folders / "test")
    found = compare(suite, tiny_encoder, ["linear-probe"], tmp_path)
    assert set(found.rows.role) == {"test", "summary"}
    assert set(pd.read_csv(tmp_path / "differences.csv").axis) == {"id_accuracy"}
    assert not {"shift_accuracy", "auroc", "mean_of_axes", "delta_auroc"} & set(found.rows.metric)
    assert found.report.is_file()


@pytest.fixture
def spoilt(colour_folders, tmp_path) -> Path:
    """The colours with a truncated image in train, test and grey."""
    root = shutil.copytree(colour_folders, tmp_path / "spoilt")
    for path in ("train/red/03.png", "test/blue/02.png", "grey/05.png"):
        whole = (root / path).read_bytes()
        (root / path).write_bytes(whole[: len(whole) // 2])
    return root


def of(root: Path, **arguments) -> Suite:
    return Suite.from_folders(
        root / "train", root / "test", outliers={"grey": root / "grey"}, name="spoilt", **arguments
    )


def test_bad_images_are_skipped_counted_and_noted(spoilt, tiny_encoder, tmp_path, calls):
    before = of(spoilt, bad_images="skip")
    found = compare(before, tiny_encoder, ["linear-probe"], tmp_path / "out")
    learnt = len(before.train) + len(before.val)
    assert len(found.suite.train) + len(found.suite.val) == learnt - 1
    sizes = found.rows[found.rows.metric == "coverage"].groupby("set").n.unique().map(list).to_dict()
    assert sizes == {"test": [23], "grey": [8]}
    notes = [note for note in found.suite.notes if "bad image" in note]
    assert len(notes) == 3
    assert any(n.startswith("test: 1 bad image skipped; the first is") and "02.png" in n for n in notes)
    page = found.report.read_text(encoding="utf-8")
    assert all(note.replace("'", "&#39;") in page for note in notes)
    compare(before, tiny_encoder, ["linear-probe"], tmp_path / "again")
    synthetic = 2 * len(found.suite.val)
    assert sorted(n for n in calls if n != synthetic) == [6, 8, 23, 29]  # val, grey, test, train: each once


def test_bad_images_are_an_error_unless_skipped(spoilt, tiny_encoder, tmp_path):
    with pytest.raises(UserError, match=r"3 images cannot be used: .*--bad-images skip"):
        compare(of(spoilt), tiny_encoder, ["linear-probe"], tmp_path / "out")


def test_mistakes_are_found_before_the_work(colours, tiny_encoder, tmp_path, calls):
    with pytest.raises(UserError, match="unknown method 'probe'"):
        compare(colours, tiny_encoder, ["linear-probe", "probe"], tmp_path / "out")
    with pytest.raises(UserError, match="no seed is given; give --seeds at least one"):
        compare(colours, tiny_encoder, ["linear-probe"], tmp_path / "out", seeds=())
    (tmp_path / "file").touch()
    for out, why in ((tmp_path / "file", "is a file"), (tmp_path / "file" / "below", "cannot write into")):
        with pytest.raises(UserError, match=rf"{why}.*--out"):
            compare(colours, tiny_encoder, ["zero-shot"], out)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "runs").touch()
    with pytest.raises(UserError, match=r"taken holds something else \(runs, say\)"):
        compare(colours, tiny_encoder, ["zero-shot"], tmp_path / "taken")
    assert calls == []


def test_the_bundled_encoder_on_images_of_others(tiny_encoder, colours):
    bundled = replace(tiny_encoder, name="pictogram-clip")
    (note,) = unfit(colours, bundled)
    assert "not photographs" in note
    assert note in plan(colours, told_of(bundled), unfit(colours, bundled))
    assert unfit(SUITES["pictograms"](), bundled) == unfit(colours, tiny_encoder) == []
