"""Every row of the table keeps the contract; the linear probe does what its row says."""

import json
import shutil
from dataclasses import fields, replace
from math import prod
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from anchorline import METHODS, FeatureStore, Suite, UserError, adapt, load
from anchorline.classifier.runs import save
from anchorline.methods.hyperparameters import Training
from anchorline.methods.selection import put
from anchorline.methods.settings import identifying, override
from anchorline.methods.table import SHOWN, find_method
from anchorline.methods.tunables import Labelled
from anchorline.methods.tunables.head import L2
from anchorline.methods.tunables.linear_probe import LinearHead, fit_head
from tests.contracts.method import check_method, logits_of, short, untouched_logits


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_contract(method, tiny_encoder, colours, tmp_path):
    check_method(method, tiny_encoder, colours, tmp_path)


def test_the_table():
    for name, row in METHODS.items():
        assert row.name == name
        assert row.about
        assert not row.about.endswith(".")  # 'anchorline methods' adds one
        assert "\n" not in row.about + row.source
        assert "arXiv" in row.source
        assert (row.objective is None) == (not row.tunable.trains)
        assert bool(row.search) == (row.training is not None)
        assert name == name.strip().lower()
    assert len({row.about for row in METHODS.values()}) == len(METHODS)
    assert set(SHOWN) < set(METHODS)
    budgets = {row.training.epochs for row in METHODS.values() if row.training}
    trials = {prod(len(v) for _, v in row.search) for row in METHODS.values() if row.training}
    assert len(budgets) == len(trials) == 1  # the same for every method


def test_weight_decays_of_held_rows_are_the_released_ones():
    """Of the free head; held weights have none. Li et al.: train.sh, --weight_decay_rate2 of L2-SP (commit
    1426356 of holyseven/TransferLearningClassification). TPGM: main_finetune.py (8d18db0). Gouk et al., FTP,
    SPD: no decay at all (henrygouk/mars-finetuning 3e7cd2c, GT-RIPL/FTP 1f8dd44, GT-RIPL/Selective-
    Projection-Decay b377695)."""
    held = {name: row.training for name, row in METHODS.items() if row.constraint.holds}
    assert {name: training.weight_decay for name, training in held.items()} == {
        "l2-sp": 0.01, "mars-sp": 0.0, "tpgm": 5e-4, "ftp": 0.0, "spd": 0.0,
    }  # fmt: skip
    assert not any(training.decay_held for training in held.values())


def test_an_unknown_method_names_those_that_exist(tiny_encoder, colours):
    with pytest.raises(UserError, match=r"unknown method 'probe'.*zero-shot, .*linear-probe"):
        adapt(tiny_encoder, colours, "probe")
    assert find_method("zero-shot") is METHODS["zero-shot"]


# ---- the linear probe


def unit(features: torch.Tensor) -> torch.Tensor:
    return F.normalize(features, dim=1)


def blobs(classes: int, each: int, spread: float, seed: int) -> Labelled:
    """Unit vectors around the first axes of eight dimensions."""
    labels = torch.arange(classes).repeat(each)
    noise = torch.randn(len(labels), 8, generator=torch.Generator().manual_seed(seed))
    return Labelled(unit(torch.eye(8)[labels] + spread * noise), labels)


def probe(train: Labelled, val: Labelled, *l2: float) -> LinearHead:
    return fit_head(train.features, train.labels, val.features, val.labels, l2 or L2)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_separable_features_are_learnt(classes):
    train, val, test = (blobs(classes, 12, 0.1, seed) for seed in (0, 1, 2))
    head = probe(train, val)
    assert head.weight.shape == (classes, 8)
    assert head.bias.shape == (classes,)
    for part in (train, val, test):
        assert torch.equal(head(part.features).argmax(1), part.labels)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("l2", [1e-1, 1e-2])
def test_it_minimises_cross_entropy_plus_half_the_squared_norm(classes, l2):
    train = blobs(classes, 20, 0.5, 0)
    head = probe(train, train, l2)
    weight, bias = head.weight.double().requires_grad_(), head.bias.double().requires_grad_()
    loss = F.cross_entropy(train.features.double() @ weight.T + bias, train.labels)
    (loss + l2 / 2 * weight.square().sum()).backward()
    assert l2 * weight.abs().max() > 1e-2  # what the gradient of the penalty adds; it must cancel
    assert weight.grad.abs().max() < 5e-4
    assert bias.grad.abs().max() < 5e-4


@pytest.mark.parametrize("labels", [[0] * 30 + [1] * 10, [0] * 20 + [1] * 15 + [2] * 5])
def test_the_strongest_penalty_leaves_the_class_priors(labels):
    labels = torch.tensor(labels)
    train = Labelled(blobs(4, 10, 0.3, 0).features, labels)
    priors = labels.bincount() / len(labels)
    found = probe(train, train, 1e4)(blobs(4, 5, 0.3, 1).features).softmax(1)
    torch.testing.assert_close(found, priors.expand_as(found), atol=2e-3, rtol=0)


def test_the_strength_is_chosen_on_val():
    train = blobs(3, 10, 0.3, 0)
    flipped = train.labels.clone()
    flipped[::5] = (flipped[::5] + 1) % 3  # a fifth of train is labelled wrongly
    noisy = Labelled(train.features, flipped)
    clean = blobs(3, 40, 0.3, 1)
    strong, weak = 1e-1, 1e-6
    assert probe(noisy, clean, weak, strong).l2 == strong
    assert probe(noisy, noisy, weak, strong).l2 == weak


def test_equal_accuracy_is_decided_by_cross_entropy():
    train, val = blobs(3, 12, 0.05, 0), blobs(3, 12, 0.05, 1)
    assert probe(train, val, 1e2, 1e-1, 1e-4).l2 == 1e-4
    assert probe(train, val, 1e-4, 1e-4).l2 == 1e-4


@pytest.mark.parametrize("name", [n for n, m in METHODS.items() if m.tunable.fitted_at_start and m.training])
def test_what_starts_from_the_probe_is_the_probe_until_it_is_trained(name, tiny_encoder, colours):
    store = FeatureStore()
    still = adapt(tiny_encoder, colours, put(short(METHODS[name]), "training.epochs", 0), store=store)
    probe = adapt(tiny_encoder, colours, "linear-probe", store=store)
    expected = logits_of(probe, colours, store)
    torch.testing.assert_close(logits_of(still, colours, store), expected, rtol=1e-4, atol=1e-4)


# ---- what is saved and loaded


@pytest.fixture
def run(tiny_encoder, colours, tmp_path) -> Path:
    save(adapt(tiny_encoder, colours, "linear-probe"), tmp_path / "run")
    return tmp_path / "run"


def edited(run: Path, **changes: object) -> Path:
    facts = json.loads((run / "config.json").read_text()) | changes
    kept = {key: value for key, value in facts.items() if value is not None}
    (run / "config.json").write_text(json.dumps(kept))
    return run


def test_a_run_has_its_own_row_and_captions(run, tiny_encoder, colours):
    row = {**json.loads((run / "config.json").read_text())["method"], "about": "as it was"}
    loaded = load(edited(run, method=row, templates=["the {}"]), tiny_encoder)
    assert loaded.method.about == "as it was"
    assert loaded.method.tunable.l2 == L2
    assert torch.equal(loaded.captions, tiny_encoder.encode_classes(colours.classes, ["the {}"]))


def test_other_weights_are_refused(run, tiny_encoder):
    with pytest.raises(UserError, match=rf"hash 0123, but .* has hash {tiny_encoder.hash}"):
        load(edited(run, encoder_hash="0123"), tiny_encoder)


@pytest.mark.parametrize("missing", ["encoder", "encoder_hash", "classes", "method", "chosen", "seed"])
def test_a_configuration_that_lacks_something(run, tiny_encoder, missing):
    with pytest.raises(UserError, match=f"is not a run .*{missing}"):
        load(edited(run, **{missing: None}), tiny_encoder)


def test_others_may_read_a_run(run):
    assert len({(run / name).stat().st_mode for name in ("config.json", "tuned.safetensors")}) == 1


def test_directories_that_are_no_run(run, tiny_encoder, tmp_path):
    for name, content in (("tuned.safetensors", b"cut"), ("config.json", b"["), ("config.json", b"[]")):
        broken = shutil.copytree(run, tmp_path / "negative_flips", dirs_exist_ok=True)
        (broken / name).write_bytes(content)
        with pytest.raises(UserError, match="is not a run that anchorline wrote"):
            load(broken, tiny_encoder)
    with pytest.raises(UserError, match=r"the run .*nowhere does not exist"):
        load(tmp_path / "nowhere", tiny_encoder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"is not a run that anchorline wrote \(it has no config\.json\)"):
        load(tmp_path / "empty", tiny_encoder)
    of_all = tmp_path / "comparison" / "runs" / "linear-probe" / "seed-0"
    shutil.copytree(run, of_all)
    with pytest.raises(UserError, match=rf"and holds a run for each method; give one, such as {of_all}$"):
        load(tmp_path / "comparison", tiny_encoder)


# ---- at work


@pytest.mark.parametrize("blend", ["residual", "logits", "weights"])
@pytest.mark.parametrize("method", ["linear-probe", "fine-tune", "flyp", "coop"])
def test_blends_work_over_any_row(method, blend, tiny_encoder, colours):
    row = short(override(METHODS[method], {"blend": blend}))
    store = FeatureStore()
    found = adapt(tiny_encoder, colours, row, store=store)
    expected = untouched_logits(found, colours, store)
    torch.testing.assert_close(logits_of(found.at(1.0), colours, store), expected, rtol=1e-4, atol=1e-4)
    alone = adapt(tiny_encoder, colours, override(row, {"blend": "none"}), store=store)
    torch.testing.assert_close(logits_of(found.at(0.0), colours, store), logits_of(alone, colours, store))


def test_labels_belong_to_the_request(tiny_encoder, colours, tmp_path):
    adapt(tiny_encoder, colours, "linear-probe", run=tmp_path)
    assert colours.train.labels is not None
    other = replace(colours, train=replace(colours.train, labels=(colours.train.labels + 1) % 3))
    with pytest.raises(UserError, match="holds a finished run with other settings or images; give another"):
        adapt(tiny_encoder, other, "linear-probe", run=tmp_path)
    again = adapt(tiny_encoder, other, "linear-probe", run=tmp_path, overwrite=True)
    assert load(tmp_path, tiny_encoder).learnt_from == again.learnt_from


def test_other_preprocessing_is_refused(run, tiny_encoder):
    with pytest.raises(UserError, match="was adapted to images prepared as"):
        load(run, replace(tiny_encoder, mean=(0.1, 0.2, 0.3)))


@pytest.mark.parametrize("method", ["zero-shot", "linear-probe", "fine-tune", "coop"])
def test_unreadable_images_of_train_are_not_passed_over(tiny_encoder, colour_folders, tmp_path, method):
    root = shutil.copytree(colour_folders, tmp_path / "c")
    (root / "train/red/07.png").write_bytes(b"no")
    suite = Suite.from_folders(root / "train", root / "test", bad_images="skip")
    with pytest.raises(UserError, match=r"1 images? of (train|val) cannot be read.*red/07\.png"):
        adapt(tiny_encoder, suite, method)


OLD_WORDS = {
    "batch_size": "batch", "max_grad_norm": "clip", "grad_accumulation_steps": "accumulate",
    "warmup_fraction": "warmup",
}  # fmt: skip


def test_a_run_of_an_earlier_version_loads_and_is_no_answer(tiny_encoder, colours, tmp_path):
    quick = {"training.epochs": "1", "training.batch_size": "8", "training.lr": "1e-3"}
    row = replace(override(METHODS["fine-tune"], quick), search=())
    now = adapt(tiny_encoder, colours, row, run=tmp_path)
    facts = json.loads((tmp_path / "config.json").read_text())
    training = {OLD_WORDS.get(name, name): value for name, value in facts["method"]["training"].items()}
    method = {**facts["method"], "training": training}
    edited(tmp_path, method=method, format=1, configuration_hash="0123456789abcdef")
    loaded = load(tmp_path, tiny_encoder)
    assert loaded.method == row
    assert all(torch.equal(loaded.tuned[name], tensor) for name, tensor in now.tuned.items())
    with pytest.raises(UserError, match="holds a finished run with the format of an earlier version"):
        adapt(tiny_encoder, colours, row, run=tmp_path)


def test_what_decides_nothing_makes_no_other_run():
    """Words, and fields at their defaults, which a later version may add to."""
    row = METHODS["fine-tune"]
    asked = identifying(row)
    assert asked == identifying(replace(row, about="other words", source=""))
    assert asked["training"].keys() == {"kind"} | {
        field.name for field in fields(Training) if getattr(row.training, field.name) != field.default
    }
    assert asked != identifying(replace(row, training=replace(row.training, batch_size=7)))
    assert asked != identifying(replace(row, name="other"))
