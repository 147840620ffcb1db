"""Parts from outside the package: a toy of each kind goes through everything that a part of ours does.

No file of the package knows the toys; what they are is all in this one.
"""

import json
import sys
from dataclasses import dataclass, replace

import pandas as pd
import pytest
import torch
from torch import nn

import anchorline
from anchorline import METHODS, Method, UserError, compare, load
from anchorline.cli.inputs import read_suite
from anchorline.cli.main import main
from anchorline.cli.options import SuiteOptions
from anchorline.cli.shared import rows_of
from anchorline.detectors import DETECTORS, Detector
from anchorline.engine import plugins
from anchorline.evaluation.evaluators.table import EVALUATORS
from anchorline.methods.blends import Blend, LinearOutputs
from anchorline.methods.constraints import Constraint
from anchorline.methods.hyperparameters import Training
from anchorline.methods.objectives import Objective
from anchorline.methods.parts import NAMED
from anchorline.methods.settings import from_json, to_json
from anchorline.methods.tunables import AdaptedModel, Tunable
from anchorline.metric import Metric
from anchorline.suites.benchmarks import BENCHMARKS, Benchmark, Dataset, Listing, Split
from anchorline.suites.benchmarks.dataset import folder_named
from anchorline.suites.images.sources import Folder
from tests.contracts.method import check_method


@pytest.fixture(autouse=True)
def as_before():
    """The tables are left as they were."""
    tables = [METHODS, DETECTORS, EVALUATORS, BENCHMARKS, *NAMED.values()]
    before = [dict(table) for table in tables]
    yield
    for table, rows in zip(tables, before, strict=True):
        table.clear()
        table.update(rows)


# ---- a toy of each kind


class ScaledFeatures(AdaptedModel):
    """Image features, each times a number of its own: diag(s) x, whose logits are those of W diag(s)."""

    def __init__(self, pretrained, first):
        super().__init__(pretrained)
        self.scale = nn.Parameter(torch.full_like(self.captions[0], first))

    def classifier(self, template=None):
        weight, bias = super().classifier(template)
        return weight * self.scale, bias

    def anchors(self):
        return {"scale": torch.ones_like(self.scale)}


@dataclass(frozen=True)
class Scale(Tunable):
    first: float = 1.0

    name = "feature scale"
    trains_weights = True

    def start(self, pretrained):
        return ScaledFeatures(pretrained, self.first)

    def layer_name(self, tensor):
        return f"features.{tensor}"


@dataclass(frozen=True)
class Brier(Objective):
    weight: float = 1.0

    name = "Brier score"

    def __call__(self, logits, labels):
        truth = nn.functional.one_hot(labels, logits.shape[1])
        return self.weight * (logits.softmax(1) - truth).square().sum(1).mean()


@dataclass(frozen=True)
class Pulled(Constraint):
    share: float = 0.05

    name = "pull"

    def wrap(self, optimizer, model, validation):
        anchors, parameters = model.anchors(), dict(model.named_parameters())

        @torch.no_grad()
        def pull(*_):
            for name, anchor in anchors.items():
                parameters[name].lerp_(anchor, self.share)

        optimizer.register_step_post_hook(pull)
        return optimizer

    def radii(self, optimizer):
        return {"scale": 7.0}


@dataclass(frozen=True)
class Halfway(Blend):
    alpha: float = 0.5

    name = "mean of heads"
    needs_pretrained = True

    def view(self, adapted, pretrained, alpha):
        weight = torch.lerp(adapted.weight, pretrained.weight, alpha)
        return LinearOutputs(adapted.images, weight, torch.lerp(adapted.bias, pretrained.bias, alpha))


TOY = Method(
    "toy-method",
    "a scale of the features",
    Scale(),
    Brier(),
    Pulled(),
    Halfway(),
    Training(epochs=3, batch_size=8),
    search=(("training.lr", (1e-2, 1e-1)), ("constraint.share", (0.05,))),
    source="nobody 2026",
)


def fit_range(data):
    return lambda evidence: evidence.logits.max(1).values - evidence.logits.min(1).values


TOY_DETECTOR = Detector("toy-range", "the range of the logits", "nobody 2026", "logits", fit_range)


def toy_evaluator(evaluation):
    yield Metric("test", "test", "toy_number", 17.0, n=len(evaluation.suite.test))


def toy_benchmark():
    def read(found, split):
        paths = tuple(sorted(path.relative_to(found).as_posix() for path in found.glob("*/*.png")))
        return Listing(Folder(found), paths, tuple(path.split("/")[0] for path in paths))

    train, test = (
        Split(
            Dataset(name, "", "", "none", f"{name}/CLASS/*.png", {name: None}, folder_named(name), read), name
        )
        for name in ("train", "test")
    )
    return Benchmark("toy-colours", "coloured images", "nobody", ("blue", "green", "red"), train, test)


def register_choices():
    anchorline.register(Scale(), name="toy")
    anchorline.register(Brier(), name="toy")
    anchorline.register(Pulled(), name="toy")
    anchorline.register(Halfway(), name="toy")


# ---- what they go through


def test_the_contract(tiny_encoder, colours, tmp_path):
    anchorline.register(TOY)  # its parts need no name of their own to be loaded
    check_method(TOY, tiny_encoder, colours, tmp_path)


def test_compared_loaded_and_on_the_page(tiny_encoder, colours, tmp_path):
    for part in (TOY, TOY_DETECTOR, toy_evaluator):
        assert anchorline.register(part) is part
    found = compare(colours, tiny_encoder, ["toy-method", "linear-probe"], tmp_path)
    assert list(found.classifiers) == ["zero-shot", "toy-method", "linear-probe"]
    rows = found.rows[found.rows.method == "toy-method"]
    assert "toy-range" in set(rows.score)
    assert rows[rows.metric == "toy_number"].value.tolist() == [17.0]
    page = found.report.read_text(encoding="utf-8")
    assert "toy-method" in page
    assert "toy-range" in page
    loaded = load(tmp_path / "runs/toy-method/seed-0", tiny_encoder)
    assert loaded.method == TOY
    assert torch.equal(loaded.adaptation.scale, found.classifiers["toy-method"].adaptation.scale)
    moved = pd.read_csv(tmp_path / "movement.csv")
    assert set(moved.parameter) == {"features.scale"}
    assert set(moved.radius) == {7.0}
    assert set(pd.read_csv(tmp_path / "alpha.csv").method) == {"toy-method"}


def test_settings_and_listings(capsys):
    anchorline.register(TOY)
    register_choices()
    named = dict.fromkeys(("tunable", "objective", "constraint", "blend"), "toy")
    (row,) = rows_of(["fine-tune"], {**named, "tunable.first": "0.5"})
    assert (row.tunable, row.objective, row.constraint, row.blend) == (
        *(Scale(first=0.5), Brier(), Pulled(), Halfway()),
    )
    assert from_json(json.loads(json.dumps(to_json(row)))) == row
    with pytest.raises(UserError, match=r"constraint=tpgn: unknown; give one of none, .*, spd, toy$"):
        rows_of(["toy-method"], {"constraint": "tpgn"})
    assert "toy-method" in [row.name for row in rows_of(["all"], {})]
    main(["methods"])
    assert "toy-method: a scale of the features. nobody 2026" in capsys.readouterr().out


def test_a_benchmark(colour_folders, capsys):
    anchorline.register(toy_benchmark())
    suite = read_suite(SuiteOptions(suite="toy-colours", root=colour_folders))
    assert suite.classes == ("blue", "green", "red")
    assert len(suite.test) == 24
    main(["suites"])
    assert "toy-colours" in capsys.readouterr().out


def test_without_its_package_a_run_says_what_it_lacks():
    with pytest.raises(
        ValueError, match=r"its tunable is a Scale, which no installed package has registered"
    ):
        from_json(json.loads(json.dumps(to_json(TOY))))


# ---- mistakes


def test_twice_the_same_is_once():
    for part in (TOY, TOY_DETECTOR, toy_evaluator):
        anchorline.register(part)
        anchorline.register(part)
    register_choices()
    register_choices()
    anchorline.register(Scale())  # by its own name
    assert NAMED["tunable"]["feature scale"] == NAMED["tunable"]["toy"]


@pytest.mark.parametrize("part", [Scale, "toy", ScaledFeatures, Training(), nn.Linear(2, 2), None])
def test_what_is_no_part(part):
    with pytest.raises(TypeError, match="is no part: give a Method, Detector or Benchmark"):
        anchorline.register(part)


@pytest.mark.parametrize(
    ("part", "name", "sentence"),
    [
        (replace(TOY, name="fine-tune"), "", "there is another method 'fine-tune'"),
        (replace(TOY_DETECTOR, name="msp"), "", "there is another detector 'msp'"),
        (Scale(), "head", "there is another tunable 'head'; register yours under another name"),
        (Pulled(), "none", "there is another constraint 'none'"),
    ],
)
def test_names_that_are_taken(part, name, sentence):
    with pytest.raises(UserError, match=sentence):
        anchorline.register(part, name=name)


def test_rows_have_their_names():
    with pytest.raises(TypeError, match="the method 'toy-method' is registered under its own name"):
        anchorline.register(TOY, name="mine")


def test_classes_are_told_apart_by_name():
    @dataclass(frozen=True)
    class Head(Scale):
        pass

    for part in (Head(), replace(TOY, tunable=Head())):
        with pytest.raises(UserError, match="there is another class of parts called Head"):
            anchorline.register(part, name="" if isinstance(part, Method) else "toy")


# ---- entry points

PLUGIN = """
import anchorline
from anchorline.detectors import Detector

anchorline.register(Detector("far-away", "a detector", "nobody", "logits", lambda data: data))
"""


def install(site, package, source, value):
    """A distribution as pip leaves it, with one module."""
    (site / f"{package}.py").write_text(source)
    facts = site / f"{package}-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[anchorline.parts]\n{package} = {value}\n")


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(plugins, "_imported", False)
    yield tmp_path
    for name in ("broken_toy", "object_toy", "good_toy"):
        sys.modules.pop(name, None)


def test_an_installed_package_adds_its_parts(site):
    install(site, "good_toy", PLUGIN, "good_toy")
    assert "good_toy" not in sys.modules  # only when someone looks
    assert "far-away" in DETECTORS
    assert "far-away" in list(DETECTORS)


def test_a_broken_package_is_named_and_hides_no_other(site):
    install(site, "broken_toy", "import nowhere_at_all", "broken_toy")
    install(site, "object_toy", "PART = 3", "object_toy:PART")
    install(site, "good_toy", PLUGIN, "good_toy")
    with pytest.warns(UserWarning, match="a plugin of") as said:
        assert "far-away" in DETECTORS
    assert sorted(str(one.message) for one in said) == [
        "broken_toy, a plugin of broken_toy, is left out: No module named 'nowhere_at_all'; update "
        "broken_toy, or uninstall it",
        "object_toy:PART, a plugin of object_toy, is left out: it is no module; name the module that calls "
        "anchorline.register; update object_toy, or uninstall it",
    ]
    assert DETECTORS["far-away"].about == "a detector"  # and nothing is said twice
