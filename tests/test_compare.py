"""`compare` on real folders: what it writes, that its files agree, and that the same again is quick."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

from anchorline import METHODS, Comparison, Encoder, FeatureStore, Suite, UserError, compare, load
from anchorline.choices import override
from anchorline.evaluation import accuracy, outcome
from anchorline.training import train

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


def assert_same(ours: pd.DataFrame, theirs: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(
        as_read(ours).reset_index(drop=True),
        as_read(theirs).reset_index(drop=True),
        check_dtype=False,
        rtol=1e-8,
    )


def test_what_is_written(found):
    written = sorted(p.relative_to(found.directory).as_posix() for p in found.directory.rglob("*"))
    runs = [
        f"runs/{method}{part}"
        for method in ("linear-probe", "zero-shot")
        for part in (
            *("", "/seed-3", "/seed-3/config.json", "/seed-3/metrics.jsonl", "/seed-3/tuned.safetensors"),
        )
    ]
    results = ["alpha.csv", "movement.csv", "report.html", "results.csv", "results.jsonl"]
    assert written == [*results, "runs", *runs]
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
    assert not rows.duplicated(["method", "set", "metric", "score", "convention"]).any()
    assert rows.value.notna().all()
    sizes = rows[rows.role != "summary"].groupby("set").n.unique().map(list).to_dict()
    assert sizes == {"test": [24], "dark": [10], "grey": [9]}
    rates = rows[rows.metric == "fpr95"]
    assert (rates.convention != "").all()
    assert rates.temperature.notna().all()


def test_the_figures_are_those_of_the_classifiers(found, colours, tiny_encoder):
    store = FeatureStore(found.directory.parent / "cache")
    for method, classifier in found.classifiers.items():
        loaded = load(found.directory / "runs" / method / "seed-3", tiny_encoder)
        for name, images in (("test", colours.test), ("dark", colours.shifts["dark"])):
            views = classifier.views(store, images)
            rows = found.rows
            row = rows[(rows.method == method) & (rows.set == name)].iloc[0]
            assert row.value == accuracy(name, "", outcome(classifier, images, views)).value
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
    first = compare(colours, tiny_encoder, methods, out=tmp_path / "one")
    assert sorted(calls) == sorted(len(images) for images in colours.sets().values())
    again = compare(colours, tiny_encoder, methods, out=tmp_path / "two")
    assert len(calls) == len(colours.sets())
    assert list(again.rows.method.unique()) == methods
    measured = ~first.rows.metric.isin(["seconds", "peak_memory"])
    assert_same(again.rows[measured], first.rows[measured])
    # Their seconds hold what encoding took when it was done, so they do not shrink to nothing.
    seconds = first.rows[(first.rows.method == "linear-probe") & (first.rows.metric == "seconds")]
    encoding = FeatureStore().images(tiny_encoder, colours.train).seconds
    assert seconds.value.item() >= encoding


TRAINED = [
    override(METHODS[name], {"training.epochs": "3", "training.batch": "8", "training.lr": "1e-3"})
    for name in ("fine-tune", "wise-ft", "residual-reprogrammer")
]


def test_seeds_spread_and_finished_runs_are_not_run_again(colours, tiny_encoder, tmp_path, monkeypatch):
    methods = ["linear-probe", *TRAINED]
    first = compare(colours, tiny_encoder, methods, tmp_path, seeds=[0, 1])
    seeds = first.rows.groupby("method", sort=False).seed.unique().map(list).to_dict()
    assert seeds == {
        "zero-shot": [0], "linear-probe": [0], "fine-tune": [0, 1], "wise-ft": [0, 1],
        "residual-reprogrammer": [0, 1],
    }  # fmt: skip
    assert first.classifiers["fine-tune"].seed == 0
    tuned = [tmp_path / "runs" / "fine-tune" / f"seed-{seed}" / "tuned.safetensors" for seed in (0, 1)]
    assert tuned[0].read_bytes() != tuned[1].read_bytes()
    monkeypatch.setattr("anchorline.adapting.train", None)  # nothing is trained any more
    again = compare(colours, tiny_encoder, methods, tmp_path, seeds=[0, 1])
    assert_same(again.rows, first.rows)
    one = compare(colours, tiny_encoder, methods, tmp_path, seeds=[1])
    both = first.rows[(first.rows.method == "fine-tune") & (first.rows.seed == 1)]
    assert_same(one.rows[one.rows.method == "fine-tune"], both)


def test_methods_that_differ_in_their_blend_are_trained_once(colours, tiny_encoder, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr("anchorline.adapting.train", lambda *a, **k: calls.append(1) or train(*a, **k))
    found = compare(colours, tiny_encoder, TRAINED[:2], tmp_path)
    assert len(calls) == 1
    ours, theirs = (found.classifiers[name] for name in ("fine-tune", "wise-ft"))
    assert all(torch.equal(ours.tuned[name], theirs.tuned[name]) for name in ours.tuned)
    assert theirs.seconds > ours.seconds  # its cost is all of it


def test_alpha_curves_end_where_the_two_classifiers_stand(colours, tiny_encoder, tmp_path):
    found = compare(colours, tiny_encoder, TRAINED, tmp_path)
    curves = pd.read_csv(tmp_path / "alpha.csv")
    assert set(curves.method) == {"wise-ft", "residual-reprogrammer"}
    for method, curve in curves.groupby("method"):
        assert curve.alpha.tolist() == pytest.approx([i / 10 for i in range(11)])
        chosen = curve[curve.chosen].iloc[0]
        for axis in ("id_accuracy", "shift_accuracy", "auroc"):
            assert chosen[axis] == pytest.approx(value(found.rows, method, axis))
    ends = curves[curves.method == "wise-ft"].set_index("alpha")
    for alpha, method in ((0.0, "fine-tune"), (1.0, "zero-shot")):
        for axis in ("id_accuracy", "shift_accuracy", "auroc"):
            assert ends[axis][alpha] == pytest.approx(value(found.rows, method, axis), abs=0.01)


def test_layers_are_followed_in_the_first_run_of_each_method(colours, tiny_encoder, tmp_path):
    quick = {"training.epochs": "2", "training.batch": "8", "training.lr": "1e-3"}
    methods = [
        override(METHODS[name], quick | more) for name, more in (("ftp", {"constraint.k": "1"}), ("flyp", {}))
    ]
    found = compare(colours, tiny_encoder, ["linear-probe", *methods], tmp_path, seeds=[1, 0])
    moved = pd.read_csv(tmp_path / "movement.csv")
    assert list(moved.columns) == ["method", "seed", "epoch", "parameter", "deviation", "radius"]
    held, both = (moved[moved.method == name] for name in ("ftp", "flyp"))
    assert len(held) + len(both) == len(moved)
    assert set(moved.seed) == {1}
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


def test_a_suite_of_test_alone(tiny_encoder, colour_folders, tmp_path):
    suite = Suite.from_folders(colour_folders / "train", colour_folders / "test")
    found = compare(suite, tiny_encoder, ["linear-probe"], tmp_path)
    assert set(found.rows.role) == {"test", "summary"}
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
    assert found.rows[found.rows.set == "test"].n.unique().tolist() == [23]
    assert found.rows[found.rows.set == "grey"].n.unique().tolist() == [8]
    notes = [note for note in found.suite.notes if "bad image" in note]
    assert len(notes) == 3
    assert any(n.startswith("test: 1 bad image skipped; the first is") and "02.png" in n for n in notes)
    page = found.report.read_text(encoding="utf-8")
    assert all(note.replace("'", "&#39;") in page for note in notes)
    compare(before, tiny_encoder, ["linear-probe"], tmp_path / "again")
    assert sorted(calls) == [6, 8, 23, 29]  # val, grey, test, train: each image once


def test_bad_images_are_an_error_unless_skipped(spoilt, tiny_encoder, tmp_path):
    with pytest.raises(UserError, match=r"3 images cannot be used: .*--bad-images skip"):
        compare(of(spoilt), tiny_encoder, ["linear-probe"], tmp_path / "out")


def test_mistakes_are_found_before_the_work(colours, tiny_encoder, tmp_path, calls):
    with pytest.raises(UserError, match="unknown method 'probe'"):
        compare(colours, tiny_encoder, ["linear-probe", "probe"], tmp_path / "out")
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match=r"cannot write results into .*--out"):
            compare(colours, tiny_encoder, ["zero-shot"], out)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "runs").touch()
    with pytest.raises(UserError, match=r"cannot write results into .*taken"):
        compare(colours, tiny_encoder, ["zero-shot"], tmp_path / "taken")
    assert calls == []
