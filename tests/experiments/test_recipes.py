"""The recipes: each runs whole at tiny scale, says where every figure comes from, and fits its benchmark."""

import importlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anchorline import METHODS, UserError
from anchorline.cli.reproduce import Reproduce, reproduce
from anchorline.experiments.recipes import (
    RECIPES,
    Request,
    base,
    find_recipe,
    ftp_domainnet,
    ftp_imagenet_r,
    ftp_pascal,
)
from anchorline.experiments.recipes.miniature import few_classes
from anchorline.methods.hyperparameters import Training
from anchorline.report.published import COLUMNS, Published
from anchorline.suites.benchmarks import BENCHMARKS
from anchorline.suites.benchmarks.replicas import domainnet, imagenet, voc
from anchorline.tasks.classification import writing

COMPARISONS = ("reprogrammer-cifar10", "reprogrammer-imagenet", "ftp-domainnet", "ftp-imagenet")


@pytest.fixture(scope="session")
def replicas(tmp_path_factory) -> dict[Callable[[Path], None], Path]:
    """ImageNet's is drawn once for the two recipes that want it."""
    drawn = {}
    for write in (imagenet.write, domainnet.write):
        drawn[write] = tmp_path_factory.mktemp("replica")
        write(drawn[write])
    return drawn


@pytest.fixture
def brief(replicas, monkeypatch) -> None:
    """Drawn replicas are shared, and suites have few classes: seconds, at every recipe."""
    real = base.root_of

    def root_of(request, recipe, write):
        return replicas[write] if write in replicas else real(request, recipe, write)

    monkeypatch.setattr(base, "root_of", root_of)
    monkeypatch.setattr(base, "few_classes", lambda suite: few_classes(suite, 12))


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("name", COMPARISONS)
def test_a_comparison_runs_whole_at_tiny_scale(name, tmp_path, capsys, monkeypatch):
    recipe = RECIPES[name]
    if name != COMPARISONS[0]:  # figures take seconds, and one page is enough
        monkeypatch.setattr(writing, "write_report", _write_sources)
    reproduce(Reproduce(name, scale="tiny", out=tmp_path, device="cpu"))
    rows = pd.read_csv(tmp_path / "results.csv")
    published = pd.read_csv(tmp_path / "published.csv")
    assert tuple(published.columns) == COLUMNS
    assert len(published) == len(recipe.published)
    # Every published figure found ours: no name of a method, set or metric is out of date.
    assert published.measured.notna().all()
    assert np.isfinite(published.difference).all()
    assert rows.encoder.unique().tolist() == ["pictogram-clip"]
    page = (tmp_path / "report.html").read_text()
    assert "tiny scale" in page
    assert all(figure.source.split(",")[0] in page for figure in recipe.published)
    assert "report.html" in capsys.readouterr().out


def _write_sources(path: Path, *, published: pd.DataFrame, notes: tuple[str, ...], **_: object) -> None:
    path.write_text("\n".join([*notes, *published.source]))


def figure(method: str, set: str, metric: str) -> Published:
    return Published(method, set, metric, 12.3, "a table of tests")


def test_dense_prediction_runs_whole_at_tiny_scale(tmp_path, monkeypatch):
    assert [row.name for row in ftp_pascal.methods(True)] == list(ftp_pascal.METHODS)
    names = ("fine-tune", "tpgm", "ftp")
    monkeypatch.setattr(ftp_pascal, "METHODS", names)
    monkeypatch.setitem(ftp_pascal.PUBLISHED, "pascal-person-part", (figure("ftp", "test", "miou"),))
    reproduce(Reproduce("ftp-pascal", scale="tiny", out=tmp_path, device="cpu"))
    context, part = (tmp_path / name for name in ftp_pascal.SUITES)
    assert not (context / "published.csv").exists()
    assert "a table of tests" not in (context / "report.html").read_text()
    assert pd.read_csv(part / "published.csv").measured.notna().all()
    assert "a table of tests" in (part / "report.html").read_text()
    for name in ("pascal-context", "pascal-person-part"):
        rows = pd.read_csv(tmp_path / name / "results.csv")
        assert set(names) == set(rows.method)
        corrupted = {one.split("/")[0] for one in rows[rows.role == "corruption"].set}
        assert corrupted == {"fog", "defocus_blur", "gaussian_noise", "brightness"}
        assert "tiny scale" in (tmp_path / name / "report.html").read_text()


def test_dense_prediction_looks_at_all_data_before_the_long_work(tmp_path, monkeypatch):
    """A missing or cut-off set must not show hours later."""
    voc.write(tmp_path / "data")
    monkeypatch.setattr(ftp_pascal, "load_backbone", None)
    asked = Reproduce("ftp-pascal", root=tmp_path / "data", out=tmp_path / "out")
    with pytest.raises(UserError, match=r"pascal-context \(train\) .* is not whole: \d+ of 4,998 images"):
        reproduce(asked)
    monkeypatch.setattr(ftp_pascal, "check_part", lambda part, root: [])
    shutil.rmtree(tmp_path / "data/pascal_person_part")
    with pytest.raises(UserError, match="there is no pascal_person_part"):
        reproduce(asked)


def test_continual_learning_runs_whole_at_tiny_scale(tmp_path, monkeypatch):
    assert [row.name for row in ftp_imagenet_r.methods(True)] == list(ftp_imagenet_r.METHODS)
    monkeypatch.setattr(base, "few_classes", lambda suite: few_classes(suite, 6))
    monkeypatch.setattr(ftp_imagenet_r, "TASKS", 3)
    monkeypatch.setattr(ftp_imagenet_r, "METHODS", ("linear-probe", "ftp", "joint"))
    wanted = (figure("ftp", "", "average_accuracy"), figure("ftp", "", "forgetting"))
    monkeypatch.setattr(ftp_imagenet_r, "PUBLISHED", wanted)
    reproduce(Reproduce("ftp-imagenet-r", scale="tiny", out=tmp_path, device="cpu"))
    rows = pd.read_csv(tmp_path / "results.csv")
    assert set(ftp_imagenet_r.METHODS) < set(rows.method)
    assert rows.task.max() == 3
    assert {"average_accuracy", "forgetting"} <= set(rows.metric)
    last = rows[(rows.method == "ftp") & (rows.task == 3)].set_index("metric").value
    written = pd.read_csv(tmp_path / "published.csv")
    for one in written.itertuples():  # what stands in the end, and not the mean over tasks
        assert one.measured == pytest.approx(last[one.metric])
    page = (tmp_path / "report.html").read_text()
    assert "a table of tests" in page
    assert "Beside the paper" in page


def test_the_list_says_data_paper_and_cost(capsys):
    reproduce(Reproduce())
    outputs = " ".join(capsys.readouterr().out.split())
    for recipe in RECIPES.values():
        for part in (recipe.name, recipe.paper, recipe.data, recipe.cost):
            assert part in outputs


def test_mistakes_are_one_sentence(tmp_path):
    with pytest.raises(UserError, match="'ftp-domainnet'"):
        find_recipe("ftp-domainet")
    with pytest.raises(UserError, match=r"--root DIR .* --scale tiny"):
        reproduce(Reproduce("reprogrammer-cifar10", out=tmp_path))
    with pytest.raises(UserError, match=r"--root .* and --scale tiny exclude each other"):
        reproduce(Reproduce("reprogrammer-cifar10", scale="tiny", root=tmp_path, out=tmp_path))
    with pytest.raises(UserError, match="--seeds -1: give numbers from 0"):
        reproduce(Reproduce("reprogrammer-cifar10", scale="tiny", seeds=(-1,), out=tmp_path))
    assert not list(tmp_path.iterdir())


def test_each_recipe_has_a_replica_of_its_own(tmp_path):
    """Two recipes with one --out: the data sets of the one are not looked for in those of the other."""

    def write(root: Path) -> None:
        drawn.append(root)
        root.mkdir(parents=True)

    drawn: list[Path] = []
    request = Request(tmp_path, scale="tiny")
    places = [base.root_of(request, name, write) for name in ("one", "other", "one")]
    assert places == [tmp_path / "replica" / name for name in ("one", "other", "one")]
    assert len(drawn) == 2


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_recipe_tells_its_protocol(recipe):
    told = importlib.import_module(recipe.run.__module__).__doc__
    assert f"anchorline reproduce {recipe.name} --root DIR" in told
    assert f"anchorline reproduce {recipe.name} --scale tiny" in told
    for word in ("protocol", "Hyper-parameters", "Published figures", "Cost, expected, not measured"):
        assert word in told
    assert recipe.differences
    for figure in recipe.published:
        assert figure.method in METHODS
        assert figure.source
        assert 0 < figure.value < 100


def test_means_are_those_of_the_sets():
    """The table that both were read from gives the mean of the four shifts."""
    own = {(f.method, f.set): f.value for f in RECIPES["ftp-domainnet"].published}
    for method in ("fine-tune", "tpgm"):
        mean = np.mean([own[method, shift] for shift in ftp_domainnet.SHIFTS])
        assert own[method, ""] == pytest.approx(mean, abs=0.01)


def test_a_warm_up_is_so_many_steps():
    training = base.warm_up(500, 12_800, Training(epochs=10, batch_size=128))
    assert training.warmup_fraction * 10 * 100 == pytest.approx(500)
    assert base.warm_up(500, 10, Training(epochs=1, batch_size=128)).warmup_fraction == 1.0


def test_few_classes_keep_those_that_the_shifts_hold(replicas):
    whole = BENCHMARKS["imagenet"].read(replicas[imagenet.write], complete=False)
    suite = few_classes(whole, 12)
    assert len(suite.classes) == 12
    names = {name: images for name, images in suite.sets().items() if images.labels is not None}
    before = whole.sets()
    for name, images in names.items():
        assert len(images), name
        theirs = dict(zip(before[name].paths, before[name].labels, strict=True))
        for path, label in zip(images.paths, images.labels, strict=True):
            assert suite.classes[label] == whole.classes[theirs[path]]
        held = images.columns if images.columns is not None else range(12)
        assert set(images.labels) == set(held)
        for group in images.merged:
            assert group[0] in held
    assert suite.shifts["objectnet"].merged  # a class of its own that is several of ImageNet's
    assert set(suite.outliers) == set(whole.outliers)
