"""`--set` and the JSON of a method."""

import json

import pytest

from anchorline import METHODS, UserError
from anchorline.methods.blends import Logits, Residual, Unblended
from anchorline.methods.constraints import ByFTP
from anchorline.methods.objectives import Contrastive, CrossEntropy
from anchorline.methods.selection import put
from anchorline.methods.settings import NAMED, from_json, override, to_json, validate
from anchorline.methods.tunables import Programs

REPROGRAMMER = METHODS["reprogrammer"]


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_json_gives_the_method_back(method):
    assert from_json(json.loads(json.dumps(to_json(method)))) == method


@pytest.mark.parametrize("part", NAMED)
def test_every_named_part_survives_json(part):
    row = METHODS["fine-tune"] if part == "constraint" else REPROGRAMMER
    for name, value in NAMED[part].items():
        changed = override(row, {part: name})
        assert getattr(changed, part) == value
        assert from_json(json.loads(json.dumps(to_json(changed)))) == changed


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("tunable.width", "0.1", 0.1),
        ("tunable.text", "false", False),
        ("tunable.start_from", "zero", "zero"),
        ("objective.duplicates", "negatives", "negatives"),
        ("training.epochs", "7", 7),
        ("training.betas", "0.8,0.9", (0.8, 0.9)),
    ],
)
def test_fields(setting, value, expected):
    part, name = setting.split(".")
    found = getattr(getattr(override(REPROGRAMMER, {setting: value}), part), name)
    assert found == expected
    assert type(found) is type(expected)


def test_parts_come_before_their_fields_whatever_the_order():
    changed = override(METHODS["fine-tune"], {"blend.alpha": "0.3", "blend": "residual"})
    assert changed.blend == Residual(alpha=0.3)
    assert override(METHODS["fine-tune"], {"blend": "logits", "blend.alpha": "val"}).blend == Logits(None)
    assert override(METHODS["wise-ft"], {"blend": "none"}).blend == Unblended()
    assert override(REPROGRAMMER, {"objective": "cross-entropy"}).objective == CrossEntropy()
    assert override(METHODS["flyp"], {"objective": "focal-contrastive"}).objective == Contrastive(focal=True)


def test_what_is_set_is_not_searched():
    assert REPROGRAMMER.search
    changed = override(REPROGRAMMER, {"training.lr": "1e-3"})
    assert [path for path, _ in changed.search] == ["tunable.frame_lr"]
    assert changed.training.lr == 1e-3
    assert override(REPROGRAMMER, {"training.epochs": "3"}).search == REPROGRAMMER.search


def test_a_constraint_goes_under_any_row_that_trains_pretrained_weights():
    for name in ("fine-tune", "lp-ft", "wise-ft", "flyp", "bitfit", "l2-sp"):
        changed = override(METHODS[name], {"constraint": "ftp", "constraint.k": "0.5"})
        assert changed.constraint == ByFTP(k=0.5)
        assert not any(path.startswith("constraint.") for path, _ in changed.search)
        validate(changed)
    for name in ("zero-shot", "linear-probe", "coop", "reprogrammer"):
        with pytest.raises(UserError, match=f"{name} trains no pre-trained weights that could be held"):
            override(METHODS[name], {"constraint": "ftp"})
        assert override(METHODS[name], {"constraint": "none"}) == METHODS[name]


def test_put_leaves_the_rest():
    changed = put(REPROGRAMMER, "tunable.width", 0.2)
    assert changed.tunable == Programs(width=0.2)
    assert put(changed, "tunable.width", Programs().width) == REPROGRAMMER


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"tunable.widht": "1"}, r"has no such field \(did you mean tunable\.width\?\)"),
        ({"nothing": "1"}, r"--set nothing: reprogrammer has no such field"),
        ({"training.epochs": "many"}, r"--set training\.epochs=many: expected a whole number"),
        ({"tunable.width": "wide"}, r"expected a number"),
        ({"tunable.text": "maybe"}, r"expected true or false"),
        ({"tunable.start_from": "one"}, r"expected one of normal, zero"),
        ({"training.betas": "0.9"}, r"expected 2 values with commas between them"),
        ({"blend": "soup"}, r"--set blend=soup: unknown; give one of none, weights, residual, logits"),
    ],
)
def test_mistakes_get_one_sentence(settings, sentence):
    with pytest.raises(UserError, match=sentence):
        override(REPROGRAMMER, settings)


def test_a_method_that_trains_nothing_has_nothing_to_set():
    with pytest.raises(UserError, match=r"zero-shot has no such field"):
        override(METHODS["zero-shot"], {"training.epochs": "3"})


@pytest.mark.parametrize(
    ("method", "settings", "sentence"),
    [
        (
            "linear-probe",
            {"tunable": "image-tower"},
            r"follows no gradients and cannot train image",
        ),
        ("fine-tune", {"tunable": "nothing"}, r"fine-tune trains nothing"),
        ("reprogrammer", {"tunable.image": "false", "tunable.text": "false"}, r"trains nothing"),
        ("reprogrammer", {"blend": "weights"}, r"no pre-trained weights to go back to; .*blend=residual"),
        ("fine-tune", {"blend": "residual", "blend.alpha": "2"}, r"blend\.alpha=2; give a share in \[0, 1\]"),
        ("flyp", {"constraint": "spd", "tunable": "head"}, r"cannot be held by spd: it trains no pre"),
        (
            "fine-tune",
            {"training.grad_accumulation_steps": "0"},
            r"training\.grad_accumulation_steps=0; give a number from 1",
        ),
        ("fine-tune", {"training.batch_size": "0"}, r"training\.batch_size=0; give a number from 1"),
        ("fine-tune", {"training.epochs": "-1"}, r"training\.epochs=-1; give a number from 0"),
        ("fine-tune", {"training.patience": "-1"}, r"training\.patience=-1; give a number from 0"),
        ("fine-tune", {"training.lr": "nan"}, r"training\.lr=nan; give a finite number from 0"),
        ("fine-tune", {"training.lr": "-1e-3"}, r"training\.lr=-0\.001; give a finite number from 0"),
        ("coop", {"training.lr": "inf"}, r"coop has training\.lr=inf; give a finite number from 0"),
        (
            "fine-tune",
            {"training.max_grad_norm": "-1"},
            r"training\.max_grad_norm=-1; give a finite number from 0",
        ),
        ("fine-tune", {"training.weight_decay": "nan"}, r"training\.weight_decay=nan; give a finite"),
        (
            "fine-tune",
            {"training.warmup_fraction": "1.5"},
            r"training\.warmup_fraction=1\.5; give a share in \[0, 1\]",
        ),
        (
            "fine-tune",
            {"training.warmup_fraction": "nan"},
            r"training\.warmup_fraction=nan; give a share in \[0, 1\]",
        ),
        ("fine-tune", {"training.betas": "0.9,1"}, r"training\.betas=0\.9,1; give two shares"),
    ],
)
def test_choices_that_do_not_go_together(method, settings, sentence):
    with pytest.raises(UserError, match=sentence):
        validate(override(METHODS[method], settings))


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_the_rows_go_together(method):
    assert validate(method) is None  # raises otherwise
