"""Continual learning as a whole: every method through a sequence, its figures, its page, its runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from anchorline import FeatureStore, Suite, UserError, adapt, load
from anchorline.classifier.adapted import AdaptedClassifier
from anchorline.cli.continual import Continual, continual
from anchorline.cli.options import SuiteOptions
from anchorline.engine.progress import Silent
from anchorline.engine.storage import write_tensors
from anchorline.methods.settings import override
from anchorline.methods.table import METHODS as ROWS
from anchorline.report.tables.cells import signed
from anchorline.tasks.continual import (
    METHODS,
    ContinualComparison,
    Setting,
    changed,
    compare,
    draw_sequence,
    learn_sequence,
    measuring,
)
from anchorline.tasks.continual.learning import Learner
from tests.helpers.offline import check_offline
from tests.helpers.tiny import write_images

COLOURS = {
    "black": (20, 20, 20), "blue": (30, 40, 220), "brown": (130, 80, 30), "green": (30, 200, 40),
    "red": (220, 40, 30), "white": (240, 240, 240), "yellow": (230, 220, 40),
}  # fmt: skip
SHORT = {"training.epochs": "2", "training.batch_size": "4"}
SUMMARY = [
    "average_accuracy",
    "id_accuracy",
    "shift_accuracy",
    "auroc",
    "delta_id",
    "delta_shift",
    "delta_auroc",
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("seven")
    for i, (name, colour) in enumerate(COLOURS.items()):
        write_images(root / "train" / name, colour, 6, i)
        write_images(root / "val" / name, colour, 2, 30 + i)
        write_images(root / "test" / name, colour, 4, 60 + i)
        if name not in ("red", "white"):
            write_images(root / "dark" / name, tuple(c // 2 for c in colour), 3, 90 + i)
    write_images(root / "grey", (128, 128, 128), 5, 99)
    return root


@pytest.fixture(scope="module")
def seven(folders) -> Suite:
    return Suite.from_folders(
        folders / "train", folders / "test", folders / "val",
        shifts={"dark": folders / "dark"}, outliers={"grey": folders / "grey"}, name="seven",
    )  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> FeatureStore:
    return FeatureStore(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def found(tiny_encoder, seven, store, tmp_path_factory) -> ContinualComparison:
    rows = changed(list(METHODS.values()), SHORT)
    out = tmp_path_factory.mktemp("continual")
    return compare(seven, tiny_encoder, rows, out, tasks=3, seeds=(0, 1), store=store)


def setting(encoder, suite, store, narrator=None, rehearsal=0, tasks=3) -> Setting:
    return Setting(encoder, draw_sequence(suite, tasks, 0), rehearsal, store, narrator or Silent())


def row(name: str, **settings: str):
    return changed([METHODS[name]], {**SHORT, **settings})[0]


def test_every_method_has_all_figures_after_every_task(found):
    rows = found.rows
    assert list(rows.method.unique()) == list(METHODS)
    for (method, seed, task), own in rows.groupby(["method", "seed", "task"], sort=False):
        summary = set(own[own.role == "summary"].metric)
        assert set(SUMMARY) <= summary, (method, seed, task)
        assert ("forgetting" in summary) == ("forgetting_from_best" in summary) == (task > 1)
        assert list(own[own.role == "task"].set) == [f"task {i}" for i in range(1, task + 1)]
        assert own.value.between(-100, 100).all() or task == 3  # the last one also has seconds
    assert len(rows.groupby(["method", "seed", "task"])) == len(METHODS) * 2 * 3
    assert rows[["suite", "encoder", "config_hash", "version"]].notna().all().all()


def test_figures_are_those_of_the_matrix(found):
    matrix = pd.read_csv(found.directory / "matrix.csv")
    pd.testing.assert_frame_equal(matrix, found.matrix, check_dtype=False)
    written = pd.read_csv(found.directory / "results.csv")
    assert len(written) == len(found.rows)
    summary = found.rows[found.rows.role == "summary"].set_index(["method", "seed", "task", "metric"])
    summary = summary.value.sort_index()
    for (method, seed, after), own in matrix.groupby(["method", "seed", "after_task"]):
        assert own.task.tolist() == list(range(1, after + 1))
        assert summary[method, seed, after, "average_accuracy"] == pytest.approx(own.accuracy.mean())
    first = (
        matrix[(matrix.method == "fine-tune") & (matrix.seed == 0)].set_index(["after_task", "task"]).accuracy
    )
    drops = [first[1, 1] - first[2, 1], np.mean([first[2, 1] - first[3, 1], first[2, 2] - first[3, 2]])]
    assert summary["fine-tune", 0, 3, "forgetting"] == pytest.approx(np.mean(drops))


def test_all_classes_seen_compete_and_no_others(found, seven, tiny_encoder, store):
    """The untouched encoder's figures, from its features and captions alone."""
    sequence = draw_sequence(seven, 3, 0)
    features = store.images(tiny_encoder, seven.test).vectors
    captions = store.classes(tiny_encoder, seven.classes, tiny_encoder.templates).vectors
    matrix = found.matrix[(found.matrix.method == "zero-shot") & (found.matrix.seed == 0)]
    for after, task, accuracy in matrix[["after_task", "task", "accuracy"]].itertuples(index=False):
        seen = np.array(sequence.order[: sequence.seen(int(after))])
        own = np.isin(seven.test.labels, sequence.tasks[int(task) - 1])
        outputs = seen[(features[own] @ captions[seen].T).argmax(1).numpy()]
        assert accuracy == pytest.approx(100 * np.mean(outputs == seven.test.labels[own]))


def test_changes_are_against_the_untouched_encoder_on_the_same_classes(found):
    summary = found.rows[found.rows.role == "summary"].set_index(["seed", "task", "metric", "method"])
    summary = summary.value.sort_index()
    for seed, task in ((0, 1), (1, 3)):
        for metric, change in (
            ("average_accuracy", "delta_average_accuracy"),
            ("id_accuracy", "delta_id"),
            ("shift_accuracy", "delta_shift"),
            ("auroc", "delta_auroc"),
        ):
            own = summary[seed, task, metric]
            assert summary[seed, task, change].to_dict() == pytest.approx((own - own["zero-shot"]).to_dict())


def test_a_run_directory_holds_what_was_learnt_in_the_end(found, seven, tiny_encoder, store):
    for one in found.learnt:
        run = found.directory / "runs" / one.row.name / f"seed-{one.classifier.seed}"
        loaded = load(run, tiny_encoder)
        assert loaded.classes == seven.classes
        assert 0 < loaded.threshold <= 1
        logits = loaded.logits(loaded.views(store, seven.test))
        right = 100 * float((logits.argmax(1).numpy() == seven.test.labels).mean())
        last = found.rows[(found.rows.method == one.row.name) & (found.rows.seed == one.classifier.seed)]
        last = last[(last.task == 3) & (last.set == "test")]
        assert last.value.item() == pytest.approx(right)
        assert not list(run.glob("trial-*/task-*/*.safetensors"))  # they have served


def test_the_same_again_trains_nothing(found, seven, tiny_encoder, store, monkeypatch):
    monkeypatch.setattr("anchorline.tasks.continual.learning.train", None)
    rows = changed(list(METHODS.values()), SHORT)
    again = compare(seven, tiny_encoder, rows, found.directory, tasks=3, seeds=(0, 1), store=store)
    pd.testing.assert_frame_equal(again.rows, found.rows)


class StopError(Exception):
    """The power has gone."""


class Interrupting(Silent):
    """Stops at a step of a bar whose title ends so."""

    def __init__(self, title: str, step: int = 3) -> None:
        self.title, self.step = title, step

    def bar(self, title, unit="images"):
        def tell(done, total):
            if title.endswith(self.title) and done == self.step:
                raise StopError

        return tell


@pytest.mark.parametrize("name", ["fine-tune", "l2-sp", "ftp", "wise-ft", "residual-reprogrammer"])
def test_interrupted_and_resumed_is_the_same(name, found, seven, tiny_encoder, store, tmp_path, monkeypatch):
    monkeypatch.setattr("anchorline.training.loop.KEEP_EVERY", 0.0)
    monkeypatch.setattr("anchorline.training.loop.KEEP_SHARE", 1e9)
    stopped = setting(tiny_encoder, seven, store, Interrupting("task 2"))
    with pytest.raises(StopError):
        learn_sequence(stopped, row(name), tmp_path)
    assert (tmp_path / "trial-0" / "task-01" / "tuned.safetensors").is_file()
    assert (tmp_path / "trial-0" / "task-02" / "checkpoint.safetensors").is_file()
    resumed = learn_sequence(setting(tiny_encoder, seven, store), row(name), tmp_path)
    whole = next(one for one in found.learnt if one.row.name == name)
    assert resumed.val == whole.val
    for tensor, expected in zip(
        resumed.classifier.tuned.values(), whole.classifier.tuned.values(), strict=True
    ):
        assert torch.equal(tensor, expected)


def plain(learnt) -> list[list[tuple]]:
    """All figures but seconds; NaN as text, so that they can be compared."""
    return [
        [tuple(map(str, vars(m).values())) for m in task if m.metric != "seconds"] for task in learnt.metrics
    ]


@pytest.mark.parametrize("name", ["zero-shot", "fine-tune"])
def test_interrupted_measuring_goes_on(name, found, seven, tiny_encoder, store, tmp_path, monkeypatch):
    asked = METHODS[name] if name == "zero-shot" else row(name)
    stopped = setting(tiny_encoder, seven, store, Interrupting(", measuring", 2))
    with pytest.raises(StopError):
        learn_sequence(stopped, asked, tmp_path)
    evaluation = []

    def collect(classifier, sequence, task, store):
        evaluation.append(task)
        return measuring.collect(classifier, sequence, task, store)

    monkeypatch.setattr("anchorline.tasks.continual.run.collect", collect)
    resumed = learn_sequence(setting(tiny_encoder, seven, store), asked, tmp_path)
    assert evaluation == [3]
    assert plain(resumed) == plain(next(one for one in found.learnt if one.row.name == name))
    assert not list(tmp_path.glob("figures-*"))


def test_figures_of_another_request_are_measured_anew(seven, tiny_encoder, store, tmp_path):
    stopped = setting(tiny_encoder, seven, store, Interrupting(", measuring", 2))
    with pytest.raises(StopError):
        learn_sequence(stopped, METHODS["zero-shot"], tmp_path)
    other = replace(seven, test=replace(seven.test, labels=np.roll(seven.test.labels, 5)))
    here, there = (
        learn_sequence(setting(tiny_encoder, other, store), METHODS["zero-shot"], run)
        for run in (tmp_path, tmp_path / "elsewhere")
    )
    assert plain(here) == plain(there)


class Telling(Silent):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.titles: list[str] = []

    def say(self, sentence):
        self.said.append(sentence)

    def bar(self, title, unit="images"):
        self.titles.append(title)
        return lambda done, total: None


def test_runs_of_other_kinds_and_settings_are_left_alone(seven, tiny_encoder, store, tmp_path):
    single = override(ROWS["fine-tune"], {**SHORT, "training.lr": "1e-3"})
    adapt(tiny_encoder, seven, single, 0, store, run=tmp_path / "one")
    with pytest.raises(UserError, match="holds a run, not a sequence"):
        learn_sequence(setting(tiny_encoder, seven, store), row("linear-probe"), tmp_path / "one")
    learn_sequence(setting(tiny_encoder, seven, store), row("linear-probe"), tmp_path / "two")
    with pytest.raises(UserError, match="holds a sequence, not a run"):
        adapt(tiny_encoder, seven, single, 0, store, run=tmp_path / "two", overwrite=True)
    other = row("linear-probe", **{"training.lr": "1e-3"})
    with pytest.raises(UserError, match="holds a finished run with other settings or images"):
        learn_sequence(setting(tiny_encoder, seven, store), other, tmp_path / "two")
    telling = Telling()
    learnt = learn_sequence(setting(tiny_encoder, seven, store, telling), other, tmp_path / "two", True)
    assert [s for s in telling.said if "held a run with other settings or images" in s]
    assert learnt.chosen == {}


def test_a_comparison_holds_no_weights(found):
    """Those of all methods and seeds together may not fit in memory."""
    for one in found.learnt:
        assert not [v for v in vars(one).values() if isinstance(v, (torch.Tensor, AdaptedClassifier))]


def test_images_beyond_the_memory_limit_stay_on_disk(found, seven, tiny_encoder, tmp_path):
    store = FeatureStore(tmp_path / "store", memory_limit=0)
    learner = Learner(row("fine-tune"), setting(tiny_encoder, seven, store), {}, tmp_path / "one", "one")
    pixels, _ = store.pixels(tiny_encoder.geometry, seven.train)
    assert isinstance(pixels, np.memmap)
    examples = learner._examples(seven.train, np.array([3, 1]))
    assert np.shares_memory(examples.inputs.numpy(), pixels)
    assert np.array_equal(examples[torch.tensor([0])].numpy()[0], pixels[3])
    learnt = learn_sequence(setting(tiny_encoder, seven, store), row("fine-tune"), tmp_path / "run")
    assert plain(learnt) == plain(next(one for one in found.learnt if one.row.name == "fine-tune"))


@pytest.mark.parametrize(
    ("settings", "title"),
    [({}, "linear-probe lr 0.01, task 1"), ({"training.lr": "1e-3"}, "linear-probe, task 1")],
)
def test_bars_name_what_is_searched(settings, title, seven, tiny_encoder, store, tmp_path):
    telling = Telling()
    learn_sequence(setting(tiny_encoder, seven, store, telling), row("linear-probe", **settings), tmp_path)
    assert title in telling.titles


def test_test_images_change_nothing_that_is_learnt(found, seven, tiny_encoder, store, tmp_path):
    labels = np.roll(seven.test.labels, 5)
    other = replace(seven, test=replace(seven.test, labels=labels), shifts={}, outliers={})
    learnt = learn_sequence(setting(tiny_encoder, other, store), row("fine-tune"), tmp_path)
    whole = next(one for one in found.learnt if one.row.name == "fine-tune")
    assert learnt.val == whole.val
    assert all(torch.equal(t, whole.classifier.tuned[n]) for n, t in learnt.classifier.tuned.items())


def final_of(learnt, metric: str) -> float:
    return next(m.value for m in learnt.metrics[-1] if m.metric == metric)


def test_weights_that_all_go_back_stay_untouched(seven, tiny_encoder, store, tmp_path, found):
    back = replace(row("wise-ft"), between=1.0)
    learnt = learn_sequence(setting(tiny_encoder, seven, store), back, tmp_path)
    untouched = next(one for one in found.learnt if one.row.name == "zero-shot")
    ours = [[m.value for m in task if m.metric != "seconds"] for task in learnt.metrics]
    theirs = [[m.value for m in task if m.metric != "seconds"] for task in untouched.metrics]
    for a, b in zip(ours, theirs, strict=True):
        assert a == pytest.approx(b)


def towers(classifier) -> torch.Tensor:
    """The weights of the image tower, by name."""
    own = {n: t for n, t in classifier.tuned.items() if n.startswith("tower.")}
    return torch.cat([own[name].flatten() for name in sorted(own)])


def test_what_holds_the_weights_holds_them(seven, tiny_encoder, store, tmp_path):
    """A strong pull to the task before, and radii that cannot grow, leave the tower near its anchor."""
    fast = {"training.lr": "1e-2"}
    rows = {
        "free": row("fine-tune", **fast),
        "l2-sp": row("l2-sp", **fast, **{"constraint.strength": "100", "constraint.decoupled": "true"}),
        "ftp": row("ftp", **fast, **{"constraint.radius_lr": "0"}),
        "ftp-previous": row("ftp-previous", **fast, **{"constraint.radius_lr": "0"}),
    }
    pretrained = dict(tiny_encoder.image_tower.named_parameters())
    anchor = torch.cat([pretrained[name].detach().flatten() for name in sorted(pretrained)])
    moved = {}
    for name, one in rows.items():
        learnt = learn_sequence(setting(tiny_encoder, seven, store), one, tmp_path / name)
        moved[name] = float((towers(learnt.classifier) - anchor).norm())
    assert moved["l2-sp"] < 0.5 * moved["free"]
    assert moved["ftp"] < 1e-2 * moved["free"]
    assert moved["ftp-previous"] < 1e-2 * moved["free"]


@pytest.mark.parametrize("name", ["ftp", "ftp-previous"])
def test_a_task_goes_on_from_where_the_task_before_has_left_the_weights(
    name, seven, tiny_encoder, store, tmp_path
):
    """Far from the pre-trained weights, which a radius that starts at the anchor would throw it back to."""
    asked = row(name, **{"training.lr": "1e-9", "constraint.radius_lr": "0"})
    learner = Learner(asked, setting(tiny_encoder, seven, store), {}, tmp_path, "far")
    far = {name: tensor + 0.05 for name, tensor in learner.tuned(1).items()}
    write_tensors(tmp_path / "task-01" / "tuned.safetensors", far, {"identity": "far"})
    for name, tensor in learner.tuned(2).items():
        if name.startswith("tower."):
            torch.testing.assert_close(tensor, far[name], atol=1e-4, rtol=1e-3)


def test_rehearsal_lets_all_classes_compete(seven, tiny_encoder, store, tmp_path):
    def head(rehearsal: int) -> torch.Tensor:
        asked = row("linear-probe", **{"training.weight_decay": "0", "training.lr": "1e-1"})
        learnt = learn_sequence(
            setting(tiny_encoder, seven, store, rehearsal=rehearsal), asked, tmp_path / str(rehearsal)
        )
        return learnt.classifier.tuned["head.weight"]

    def first_only() -> torch.Tensor:
        asked = row("linear-probe", **{"training.weight_decay": "0", "training.lr": "1e-1"})
        learner = Learner(asked, setting(tiny_encoder, seven, store), {}, tmp_path / "alone", "alone")
        return learner.tuned(1)["head.weight"]

    sequence = draw_sequence(seven, 3, 0)
    places = list(sequence.tasks[0])
    alone = first_only()
    assert torch.equal(head(0)[places], alone)  # nothing that comes later touches the old rows
    assert not torch.equal(head(4)[places], alone)


def test_joint_learns_all_at_once(seven, tiny_encoder, store, tmp_path):
    """Its last task is one training on all classes: as in a sequence of one task, but for the order."""
    asked = row("joint", **{"training.lr": "1e-3"})
    learnt = learn_sequence(setting(tiny_encoder, seven, store), asked, tmp_path / "three")
    log = (tmp_path / "three" / "trial-0" / "task-03" / "training.jsonl").read_text().splitlines()
    assert json.loads(log[-1])["step"] == 2 * (7 * 6 // 4)
    log = (tmp_path / "three" / "trial-0" / "task-01" / "training.jsonl").read_text().splitlines()
    assert json.loads(log[-1])["step"] == 2 * (3 * 6 // 4)
    assert final_of(learnt, "average_accuracy") > 0


def test_the_page(found):
    check_offline(found.report)
    page = found.report.read_text(encoding="utf-8")
    markup = page.split("<main>")[1].split("<script>")[0]
    assert "Means over 2 seeds, each with its own order of the classes" in markup
    last = found.rows[found.rows.task == 3].groupby(["metric", "method"]).value.agg(["mean", "std"])
    for method in METHODS:
        mean, deviation = last.loc["average_accuracy", method]
        cell = f"{mean:.1f} ± {deviation:.1f}"
        if method != "zero-shot":
            change = round(float(last.loc["delta_average_accuracy", method]["mean"]), 1)
            cell += f" ({signed(change, 1)})"
        assert f'<th scope="row">{method}</th><td>{cell}</td>' in markup
    for heading in ("In the end", "Forgetting", "What was lost on shifts", "What was lost on outliers"):
        assert f"<h2>{heading}</h2>" in markup


def test_without_shifts_and_outliers_and_with_one_task(seven, tiny_encoder, store, tmp_path):
    plain = replace(seven, shifts={}, outliers={})
    found = compare(plain, tiny_encoder, [row("fine-tune")], tmp_path, tasks=1, store=store)
    assert set(found.rows[found.rows.role == "summary"].metric) == {
        "average_accuracy", "delta_average_accuracy", "id_accuracy", "delta_id", "seconds",
    }  # fmt: skip
    page = found.report.read_text(encoding="utf-8")
    assert "One seed: how far" in page
    assert "What was lost" not in page.split("<main>")[1].split("<script>")[0]


def test_the_command(folders, tiny_directory, tmp_path, capsys):
    data = SuiteOptions(train=folders / "train", test=folders / "test", val=folders / "val")
    command = Continual(
        data, encoder=f"local-dir:{tiny_directory}", tasks=2, method=("linear-probe",), rehearsal=3,
        set=tuple(f"{k}={v}" for k, v in SHORT.items()), out=tmp_path, device="cpu",
    )  # fmt: skip
    continual(command)
    outputs = capsys.readouterr().out
    assert "linear-probe" in outputs
    assert "zero-shot" in outputs
    assert "Report:" in outputs
    facts = json.loads((tmp_path / "runs" / "linear-probe" / "seed-0" / "sequence.json").read_text())
    assert facts["rehearsal"] == 3
    assert [len(task) for task in facts["tasks"]] == [4, 3]
    for bad, sentence in (
        ({"tasks": 9}, "do not make 9 tasks"),
        ({"rehearsal": -1}, "give --rehearsal from 0"),
        ({"seeds": ()}, "no seed is given; give --seeds at least one"),
        ({"set": ("training.lr=nan",)}, "linear-probe has training.lr=nan; give a finite number"),
        ({"method": ("ewc",)}, "unknown continual method 'ewc'"),
        ({"set": ("training.nothing=1",)}, "no such field"),
    ):
        with pytest.raises(UserError, match=sentence):
            continual(replace(command, **bad))
