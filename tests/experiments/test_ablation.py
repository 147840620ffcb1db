"""`ablate`: what its variants are, that its figures are those of `compare`, and that it resumes."""

from __future__ import annotations

import re
from dataclasses import replace

import pandas as pd
import pytest

from anchorline import METHODS, FeatureStore, UserError
from anchorline.experiments.ablation.ablating import COLUMNS, Ablated, ablate
from anchorline.experiments.ablation.table import ABLATIONS, REPROGRAMMER
from anchorline.methods.objectives import Contrastive, CrossEntropy
from anchorline.methods.settings import override, validate
from tests.helpers.offline import check_offline

SHORT = {"training.epochs": "1", "training.batch_size": "16"}
AXES = ["id_accuracy", "shift_accuracy", "auroc"]


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> FeatureStore:
    return FeatureStore(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def programs(tiny_encoder, colours, store, tmp_path_factory) -> Ablated:
    out = tmp_path_factory.mktemp("programs")
    return ablate(colours, tiny_encoder, "programs", out, seeds=(0, 1), store=store, settings=SHORT)


@pytest.fixture(scope="module")
def residual(tiny_encoder, colours, store, tmp_path_factory) -> Ablated:
    out = tmp_path_factory.mktemp("residual")
    return ablate(colours, tiny_encoder, "residual", out, seeds=(0,), store=store, settings=SHORT)


def summary(found: Ablated, run: str) -> pd.DataFrame:
    rows = found.comparison.rows
    return rows[(rows.method == run) & (rows.role == "summary") & rows.metric.isin(AXES)]


def variants(name: str) -> list:
    return [override(REPROGRAMMER, v.settings) for v in ABLATIONS[name].variants]


@pytest.mark.parametrize("name", ABLATIONS)
def test_variants_differ_in_what_is_varied_alone(name):
    rows = variants(name)
    for row in rows:
        validate(row)
        assert row.search == ()  # nothing else is chosen
        assert replace(row.training, augmentation="none") == REPROGRAMMER.training
    assert len(set(rows)) == len(rows)


def test_a_wider_frame_leaves_less_room_for_the_image():
    parts = [row.tunable for row in variants("padding")]
    assert [p.width for p in parts] == [v.x for v in ABLATIONS["padding"].variants]
    assert {p.geometry for p in parts} == {"around"}
    assert parts[0].width == 0


def test_programs_and_objectives():
    assert [(r.tunable.image, r.tunable.text) for r in variants("programs")] == [
        (True, False), (False, True), (True, True),
    ]  # fmt: skip
    assert [r.objective for r in variants("objective")] == [
        Contrastive(focal=True), Contrastive(), CrossEntropy(),
        Contrastive(focal=True, duplicates="negatives"),
    ]  # fmt: skip


def test_every_figure_is_that_of_compare(programs):
    rows = programs.rows
    assert list(rows.columns) == COLUMNS
    reference = rows[rows.variant == "untouched"]
    assert list(reference.method.unique()) == ["zero-shot", "zero-shot-single"]
    varied = rows[rows.variant != "untouched"]
    assert len(varied) == 3 * 2 * 2 * 3  # variants, with and without residual, seeds, axes
    assert rows.x.isna().all()
    for (method, variant), own in varied.groupby(["method", "variant"], sort=False):
        theirs = summary(programs, f"{method}, {variant}")
        pd.testing.assert_frame_equal(
            own[["seed", "axis", "value"]].reset_index(drop=True),
            theirs[["seed", "metric", "value"]].rename(columns={"metric": "axis"}).reset_index(drop=True),
        )
    assert set(varied.seed) == {0, 1}
    assert list(varied.method.unique()) == ["reprogrammer", "reprogrammer, residual"]


def test_variants_train_what_they_say(programs):
    tuned = {name: one.tuned for name, one in programs.comparison.classifiers.items()}
    image, text, both = (set(tuned[f"reprogrammer, {v}"]) for v in ("image only", "text only", "both"))
    assert image == {"frame"}
    assert text
    assert both == image | text
    blend = programs.comparison.classifiers["reprogrammer, residual, both"].method.blend
    assert blend.name == "features"


def test_the_csv_holds_the_rows(programs, residual):
    for found in (programs, residual):
        written = pd.read_csv(found.page.parent / "ablation.csv")
        pd.testing.assert_frame_equal(written, found.rows, check_dtype=False, rtol=1e-9)


def test_the_same_again_trains_nothing(programs, tiny_encoder, colours, store, monkeypatch):
    monkeypatch.setattr("anchorline.tasks.classification.run.train", None)
    out = programs.page.parent
    again = ablate(colours, tiny_encoder, "programs", out, seeds=(0, 1), store=store, settings=SHORT)
    pd.testing.assert_frame_equal(again.rows, programs.rows)


def test_strengths_go_from_the_method_to_the_untouched_encoder(residual):
    curve = residual.rows[residual.rows.variant != "untouched"]
    assert sorted(set(curve.x)) == [i / 10 for i in range(11)]
    assert len(curve) == 11 * 3
    assert set(curve.method) == {"reprogrammer, residual"}
    reference = residual.rows[residual.rows.method == "zero-shot-single"].set_index("axis").value
    end = curve[curve.x == 1].set_index("axis").value
    assert end[AXES].to_dict() == pytest.approx(reference[AXES].to_dict())
    in_use = summary(residual, "reprogrammer, residual").set_index("metric").value
    at_the_papers = curve[curve.x == 0.4].set_index("axis").value
    assert at_the_papers.to_dict() == pytest.approx(in_use.to_dict())


def test_strengths_train_once_and_for_any_method(
    tiny_encoder, colours, store, tmp_path, residual, monkeypatch
):
    again = ablate(
        colours, tiny_encoder, "residual", tmp_path, store=store, method="linear-probe"
    )  # follows no gradients: one run, whatever the seeds
    curve = again.rows[again.rows.variant != "untouched"]
    assert set(curve.seed) == {0}
    assert set(again.rows[again.rows.variant == "untouched"].method) == {"zero-shot"}
    assert curve.groupby("axis").value.nunique().max() > 1
    assert [p.name for p in (residual.page.parent / "runs").glob("reprogrammer*")] == [
        "reprogrammer, residual"
    ]


def test_widths_with_one_seed(tiny_encoder, colours, store, tmp_path):
    found = ablate(colours, tiny_encoder, "padding", tmp_path, seeds=(3,), store=store, settings=SHORT)
    varied = found.rows[found.rows.variant != "untouched"]
    assert (
        varied.groupby("method").x.unique().map(list).tolist()
        == [[v.x for v in ABLATIONS["padding"].variants]] * 2
    )
    page = found.page.read_text(encoding="utf-8")
    assert "One seed: how far another would differ is not known." in page
    assert " ± " not in page.split("<main>")[1].split("<script>")[0]


def test_the_page_says_what_it_shows(programs):
    page = programs.page.read_text(encoding="utf-8")
    assert "Means over 2 seeds; bars: ± one standard deviation between seeds." in page
    mean = programs.rows.groupby(["method", "variant", "axis"]).value.agg(["mean", "std"])
    best = mean.loc["reprogrammer, residual", "text only", "id_accuracy"]
    spread = f" ± {best['std']:.1f}" if best["std"] > 0 else ""
    assert f"{best['mean']:.1f}{spread}</td>" in page


def test_the_page_requests_nothing_and_runs_only_its_own_scripts(programs, residual):
    for found in (programs, residual):
        check_offline(found.page)


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("depth", {}, "unknown ablation 'depth'; the ablations are padding, geometry, "),
        ("padding", {"settings": {"tunable.width": "0.1"}}, "--set tunable.width: this is what"),
        ("objective", {"settings": {"objective.gamma": "2"}}, "--set objective.gamma: this is what"),
        ("padding", {"method": "fine-tune"}, "fine-tune has no such field"),
        ("objective", {"method": "linear-probe"}, "linear-probe follows no gradients"),
        ("residual", {"method": "probe"}, "unknown method 'probe'"),
    ],
)  # fmt: skip
def test_mistakes_are_found_before_the_work(name, arguments, sentence, tiny_encoder, colours, tmp_path):
    with pytest.raises(UserError, match=re.escape(sentence)):
        ablate(colours, tiny_encoder, name, tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


def test_a_row_of_ones_own(tiny_encoder, colours, store, tmp_path):
    row = override(METHODS["residual-reprogrammer"], {**SHORT, "training.lr": "1e-3"})
    found = ablate(colours, tiny_encoder, "objective", tmp_path, seeds=(0,), store=store, method=row)
    varied = found.rows[found.rows.variant != "untouched"]
    assert set(varied.method) == {"residual-reprogrammer"}  # no residual of a residual
    assert list(varied.variant.unique()) == [v.name for v in ABLATIONS["objective"].variants]
