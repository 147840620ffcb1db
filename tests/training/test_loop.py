"""The loop: what it learns, how it stops, and that nobody can kill it for good."""

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from anchorline import METHODS, Encoder, FeatureStore, Suite, UserError, adapt
from anchorline.errors import DivergedError
from anchorline.methods.constraints import ByL2SP, Constraint, Unconstrained
from anchorline.methods.constraints import choices as CONSTRAINTS
from anchorline.methods.hyperparameters import Training
from anchorline.methods.objectives import CrossEntropy
from anchorline.methods.settings import override
from anchorline.methods.tunables import BothTowers, Head, ImageTower, Pretrained
from anchorline.tasks.classification.problem import Classification, Examples
from anchorline.training.augmentation import augment
from anchorline.training.loop import Trained, train
from anchorline.training.optimization import mixed_seed, optimizer_of, rate_at
from tests.helpers.blocks import write_blocks
from tests.helpers.launching import in_two_processes

RECIPE = Training(epochs=3, batch_size=8, lr=1e-3)


def examples(suite: Suite, encoder: Encoder) -> tuple[Examples, Examples]:
    store = FeatureStore()
    return tuple(
        Examples(torch.from_numpy(store.pixels(encoder.geometry, images)[0]), torch.from_numpy(images.labels))
        for images in (suite.train, suite.val)
    )


def pretrained(encoder: Encoder, suite: Suite) -> Pretrained:
    captions = encoder.encode_classes(suite.classes, encoder.templates)
    return Pretrained(encoder, suite.classes, encoder.templates, captions)


def run_loop(encoder: Encoder, suite: Suite, recipe: Training = RECIPE, **more: object) -> Trained:
    adaptation = ImageTower().start(pretrained(encoder, suite))
    problem = Classification(adaptation, CrossEntropy(), recipe, *examples(suite, encoder))
    return train(problem, Unconstrained(), recipe, **more)


def test_it_learns_and_tells(tiny_encoder, colours, tmp_path):
    told = []
    recipe = replace(RECIPE, epochs=8)
    found = run_loop(
        tiny_encoder, colours, recipe, run=tmp_path, progress=lambda done, total: told.append((done, total))
    )
    steps = 8 * (len(colours.train) // 8)
    assert told == [(step, steps) for step in range(1, steps + 1)]
    assert found.val_score[0] == 1.0  # three colours
    assert found.history[-1]["train_loss"] < found.history[0]["train_loss"]
    lines = [json.loads(line) for line in (tmp_path / "training.jsonl").read_text().splitlines()]
    assert lines == found.history
    assert [line["epoch"] for line in lines] == list(range(1, 9))
    best = max(lines, key=lambda line: (line["val_accuracy"], -line["val_cross_entropy"]))
    assert found.epoch == best["epoch"]


def test_the_seed_decides(tiny_encoder, colours):
    a, b, c = (run_loop(tiny_encoder, colours, seed=seed) for seed in (1, 1, 2))
    assert all(torch.equal(a.tuned[name], b.tuned[name]) for name in a.tuned)
    assert not all(torch.equal(a.tuned[name], c.tuned[name]) for name in a.tuned)


def test_parts_of_a_batch_add_up_to_the_whole(tiny_encoder, colours):
    whole, parts = (
        run_loop(tiny_encoder, colours, replace(RECIPE, grad_accumulation_steps=a, optimizer="sgd"))
        for a in (1, 4)
    )
    for name in whole.tuned:
        torch.testing.assert_close(whole.tuned[name], parts.tuned[name], rtol=1e-4, atol=1e-6)


def test_early_stop_counts_from_the_best_epoch(tiny_encoder, colours):
    found = run_loop(tiny_encoder, colours, replace(RECIPE, lr=0.0, epochs=9, patience=2))
    assert len(found.history) == 3  # the first epoch is the best, and two more bring nothing
    assert found.epoch == 1


def test_batch_normalisation_keeps_its_statistics(tiny_encoder, colours):
    """Adapted encoders stay in evaluation mode, even where a loop says train()."""
    for tunable in (ImageTower(), BothTowers()):
        adaptation = tunable.start(pretrained(tiny_encoder, colours))
        adaptation.train()
        towers = [child for child in adaptation.children() if not isinstance(child, torch.nn.ParameterDict)]
        assert towers
        assert not any(module.training for tower in towers for module in tower.modules())


def test_a_loss_that_is_no_number_stops_with_a_sentence(tiny_encoder, colours, tmp_path):
    adaptation = Head().start(pretrained(tiny_encoder, colours))
    learn, choose = examples(colours, tiny_encoder)
    features = Examples(torch.ones(len(learn), 24), learn.labels)

    class Broken:
        name = "broken"
        left = 3

        def __call__(self, logits, labels):
            self.left -= 1
            return logits.sum() * (math.nan if self.left < 0 else 1.0)

    chosen = Examples(torch.ones(len(choose), 24), choose.labels)
    problem = Classification(adaptation, Broken(), Training(), features, chosen)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("anchorline.training.loop.KEEP_EVERY", 0.0)
        with pytest.raises(DivergedError, match=rf"is not finite at step 4 of .*last good .* {tmp_path}"):
            train(problem, Unconstrained(), RECIPE, run=tmp_path)
    kept = load_file(tmp_path / "checkpoint.safetensors")
    assert all(tensor.isfinite().all() for tensor in kept.values())
    assert kept["tuned.head.weight"].shape == (3, 24)


def test_a_trial_that_diverges_loses_to_the_others(tiny_encoder, colours):
    row = override(METHODS["fine-tune"], {"training.epochs": "2", "training.batch_size": "8"})
    row = replace(row, search=(("training.lr", (math.inf, 1e-3)),))
    assert adapt(tiny_encoder, colours, row).chosen["training.lr"] == 1e-3
    with pytest.raises(DivergedError, match=r"give a lower one, as with --set training\.lr"):
        adapt(tiny_encoder, colours, replace(row, search=(("training.lr", (math.inf,)),)))


def test_a_full_disk_stops_with_a_sentence_and_leaves_the_last_state(tiny_encoder, colours, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("anchorline.training.loop.KEEP_EVERY", 0.0)
        calls = []
        real = os.fsync

        def full(handle: int) -> None:
            calls.append(handle)
            if len(calls) == 3:
                raise OSError(28, "No space left on device")
            real(handle)

        patch.setattr("anchorline.engine.storage.os.fsync", full)
        with pytest.raises(UserError, match=r"cannot write .*No space left.*the same command goes on"):
            run_loop(tiny_encoder, colours, run=tmp_path)
    assert len(calls) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.safetensors", "training.jsonl"]
    resumed = run_loop(tiny_encoder, colours, run=tmp_path)
    straight = run_loop(tiny_encoder, colours)
    assert all(torch.equal(resumed.tuned[name], straight.tuned[name]) for name in straight.tuned)


def test_the_state_of_another_request_is_not_taken_over(tiny_encoder, colours, tmp_path):
    run_loop(tiny_encoder, colours, run=tmp_path, identity="a")
    again = run_loop(tiny_encoder, colours, replace(RECIPE, lr=1e-2), run=tmp_path, identity="b")
    straight = run_loop(tiny_encoder, colours, replace(RECIPE, lr=1e-2))
    assert all(torch.equal(again.tuned[name], straight.tuned[name]) for name in straight.tuned)


def test_a_batch_that_cannot_be_cut_is_refused(tiny_encoder, colours):
    with pytest.raises(UserError, match=r"a batch of 8 images cannot be cut into 9 parts"):
        run_loop(tiny_encoder, colours, replace(RECIPE, grad_accumulation_steps=9))


def test_trackers(tiny_encoder, colours, tmp_path):
    with pytest.raises(UserError, match="tracking with nobody needs its package; pip install nobody"):
        run_loop(tiny_encoder, colours, trackers=("nobody",))
    pytest.importorskip("tensorboard")
    run_loop(tiny_encoder, colours, run=tmp_path, trackers=("tensorboard",))
    assert list(tmp_path.rglob("events.out.tfevents*"))


# ---- the recipe


RISE = Training(warmup_fraction=0.1)


def test_the_rate_rises_and_falls():
    rates = [rate_at(step, 100, RISE) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == 1.0
    assert rates.index(1.0) in (9, 10)
    assert all(a < b for a, b in pairwise(rates[:10]))
    assert all(a > b for a, b in pairwise(rates[10:]))
    assert rates[-1] < 0.01
    assert rate_at(0, 10, Training(warmup_fraction=0.0)) == 1.0


def test_poly_falls_to_zero_as_a_power():
    rates = [rate_at(step, 100, replace(RISE, schedule="poly")) for step in range(100)]
    assert rates[:11] == [rate_at(step, 100, RISE) for step in range(11)]  # the same warm-up
    assert rates[55] == pytest.approx(0.5**0.9)
    assert rates[99] == pytest.approx((1 / 90) ** 0.9)


def test_steps_are_those_of_the_released_code():
    """step_lr of IBM/reprogrammer, commit f107472, over ten steps."""
    training = Training(schedule="steps", warmup_fraction=0.0)
    assert [rate_at(step, 10, training) for step in range(10)] == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.2, 0.1, 0.1]


def test_a_quarter_of_a_cosine_once_an_epoch():
    """cos(99 π t / (200 (K - 1))) at epoch t of K, as CODA-Prompt has it."""
    training = Training(epochs=3, schedule="quarter-cosine", warmup_fraction=0.0)
    rates = [rate_at(step, 6, training) for step in range(6)]
    assert rates == pytest.approx([1, 1, 0.712639, 0.712639, 0.015707, 0.015707], abs=1e-6)


def test_seeds_of_near_numbers_are_far_apart():
    seeds = {mixed_seed(a, b, c) for a in range(5) for b in range(2) for c in range(20)}
    assert len(seeds) == 200
    assert max(seeds) < 2**63


def test_optimizers(tiny_encoder, colours):
    adaptation = Head().start(pretrained(tiny_encoder, colours))
    adamw = optimizer_of(
        adaptation, Training(betas=(0.8, 0.95), eps=1e-6, weight_decay=0.3, lr=0.1), Unconstrained()
    )
    assert isinstance(adamw, torch.optim.AdamW)
    assert adamw.param_groups[0]["betas"] == (0.8, 0.95)
    assert adamw.param_groups[0]["weight_decay"] == 0.3
    sgd = optimizer_of(adaptation, Training(optimizer="sgd", betas=(0.8, 0.95)), Unconstrained())
    assert isinstance(sgd, torch.optim.SGD)
    assert sgd.param_groups[0]["momentum"] == 0.8


def after_a_step_without_gradients(
    encoder: Encoder, suite: Suite, constraint: Constraint, training: Training
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Trained parameters before and after it, by what the constraint is wrapped around: what has moved,
    decay has moved."""
    model = ImageTower().start(pretrained(encoder, suite))
    optimizer = optimizer_of(model, training, constraint)
    before = model.tuned()
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
    optimizer.step()
    return before, model.tuned()


@pytest.mark.parametrize("inner", ["adamw", "sgd"])
@pytest.mark.parametrize("constraint", [c for c in CONSTRAINTS.values() if c.holds], ids=lambda c: c.name)
def test_held_weights_have_no_decay_to_zero(constraint, inner, tiny_encoder, colours):
    training = Training(lr=0.1, weight_decay=0.3, optimizer=inner)
    before, after = after_a_step_without_gradients(tiny_encoder, colours, constraint, training)
    for name in before:
        decay = 1.0 if name.startswith("tower.") else 1 - 0.1 * 0.3
        torch.testing.assert_close(after[name], decay * before[name], msg=name)


def test_held_weights_decay_where_it_is_asked_for(tiny_encoder, colours):
    training = Training(lr=0.1, weight_decay=0.3, decay_held=True)
    before, after = after_a_step_without_gradients(tiny_encoder, colours, ByL2SP(), training)
    for name in before:
        torch.testing.assert_close(after[name], (1 - 0.1 * 0.3) * before[name], msg=name)


@pytest.mark.parametrize("name", ["none", "flip", "crop", "crop-only", "trivial"])
def test_augmentation_depends_on_its_seed_alone(name):
    images = torch.randint(0, 256, (6, 12, 10, 3), dtype=torch.uint8)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    seeds = range(6)
    training = Training(augmentation=name)
    first = augment(images, training, seeds)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(augment(images, training, seeds), first)
    assert torch.equal(augment(images[3:], training, seeds[3:]), first[3:])  # each image on its own
    assert first.shape == images.shape
    assert first.dtype == torch.uint8
    assert torch.equal(first, images) == (name == "none")
    assert torch.equal(augment(images, training, range(6, 12)), first) == (name == "none")


# ---- killed, and several processes


@pytest.fixture
def command(colour_folders, tiny_directory) -> list[str]:
    return [
        *("-m", "anchorline", "adapt", "--train", str(colour_folders / "train"), "--device", "cpu"),
        *("--encoder", f"local-dir:{tiny_directory}", "--method", "fine-tune"),
        *("--set", "training.lr=1e-3", "training.epochs=60", "training.batch_size=8", "--seed", "4"),
    ]


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "ANCHORLINE_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1", **more}


SLOWLY = """
import sys, anchorline.training.loop
anchorline.training.loop.KEEP_EVERY = 0.0
from anchorline.cli import main
main(sys.argv[1:])
"""


def test_killed_at_random_moments_it_comes_to_the_same_bits(command, tmp_path):
    """SIGKILL, three times, at moments that differ from run to run; then in peace."""
    straight = [sys.executable, *command, "--out", str(tmp_path / "straight")]
    subprocess.run(straight, env=environment(tmp_path), check=True, capture_output=True)
    out = tmp_path / "killed"
    kept = out / "trial-0" / "checkpoint.safetensors"
    going_on = [sys.executable, "-c", SLOWLY, *command[2:], "--out", str(out)]
    killed = 0
    for _ in range(3):
        process = subprocess.Popen(
            going_on, env=environment(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        before = kept.stat().st_mtime_ns if kept.exists() else 0
        while process.poll() is None and (not kept.exists() or kept.stat().st_mtime_ns == before):
            time.sleep(0.01)  # until it has started to write
        time.sleep(random.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    assert killed >= 2
    subprocess.run(going_on, env=environment(tmp_path), check=True, capture_output=True)
    ours, theirs = (load_file(tmp_path / name / "tuned.safetensors") for name in ("killed", "straight"))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    facts = [json.loads((tmp_path / name / "config.json").read_text()) for name in ("killed", "straight")]
    # The threshold is arithmetic on features that one run computed and the other one read.
    assert facts[0].pop("threshold") == pytest.approx(facts[1].pop("threshold"), rel=1e-6)
    for changing in ("seconds", "peak_memory", "commit"):
        for one in facts:
            one.pop(changing)
    assert facts[0] == facts[1]


def test_two_processes_come_to_what_one_comes_to(command, tmp_path):
    """Two CPU processes over gloo, within rounding, method by method."""
    methods = ("fine-tune", "flyp", "reprogrammer", "ftp", "tpgm")
    masks = str(write_blocks(tmp_path, "scenes", 8, 0))

    def commands(out: Path) -> str:
        found = []
        for method in methods:
            # No clipping: it would hide gradients that are too large by the number of processes.
            rest = [
                *command[2:],
                "--set",
                "training.epochs=3",
                "training.max_grad_norm=0",
            ]
            # The reprogrammer's parts have optimizers of their own.
            reprogrammer = method == "reprogrammer"
            rest += ["training.grad_accumulation_steps=2" if reprogrammer else "training.optimizer=sgd"]
            rest[rest.index("fine-tune")] = method
            found.append([*rest, "--out", str(out / method)])
        segment = f"segment --train {masks} --val {masks} --test {masks} --size 64 --width 32 --device cpu"
        segment += " --method fine-tune --corruption none --set training.epochs=1 training.lr=1e-2"
        segment += f" training.optimizer=sgd training.max_grad_norm=0 --out {out / 'masks'}"
        found.append(segment.split())
        return json.dumps(found)

    script = Path(__file__).parents[1] / "helpers" / "several_commands.py"
    one = [sys.executable, str(script), commands(tmp_path / "one")]
    subprocess.run(one, env=environment(tmp_path), check=True, capture_output=True)
    said = in_two_processes(script.name, commands(tmp_path / "two"), ANCHORLINE_CACHE=str(tmp_path / "cache"))
    assert said.count("one of 2 processes") == 2
    assert said.count("parameters trained") == len(methods)  # the second process says nothing
    for method in (*methods, "masks/runs/fine-tune/seed-0"):
        ours, theirs = (load_file(tmp_path / n / method / "tuned.safetensors") for n in ("one", "two"))
        assert ours.keys() == theirs.keys()
        for name in ours:
            torch.testing.assert_close(
                ours[name],
                theirs[name],
                rtol=1e-4,
                atol=1e-5,
                msg=lambda m, n=name, k=method: f"{k} {n}: {m}",
            )
