"""The parts of continual learning: sequences, the buffer, what the matrix says, how a head grows."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anchorline import UserError
from anchorline.constraints import FTP
from anchorline.methods.hyperparameters import Training
from anchorline.methods.objectives import CrossEntropy
from anchorline.methods.tunables import BothTowers, Head, ImageTower, Pretrained, Programs
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.images.sources import Folder
from anchorline.suites.suite import Suite
from anchorline.tasks.classification.problem import Examples
from anchorline.tasks.continual import METHODS, changed, draw_sequence, find_continual
from anchorline.tasks.continual.methods import check
from anchorline.tasks.continual.metrics import average_accuracy, forgetting, forgetting_from_best
from anchorline.tasks.continual.problem import CurrentTask
from anchorline.tasks.continual.sequence import stored


def numbered(name: str, labels: list[int], columns: tuple[int, ...] | None = None) -> ImageSet:
    paths = tuple(f"{name}/{i}.png" for i in range(len(labels)))
    return ImageSet(name, Folder("nowhere"), paths, np.array(labels, np.int64), columns)


def suite_of(classes: int, images: int = 3) -> Suite:
    labels = [c for c in range(classes) for _ in range(images)]
    half = tuple(range(classes // 2))
    shift = numbered("dark", list(half), half)
    names = tuple(f"class {c:03d}" for c in range(classes))
    sets = (numbered(name, labels) for name in ("train", "val", "test"))
    return Suite("numbers", names, *sets, shifts={"dark": shift})


@given(st.integers(2, 60), st.integers(1, 30), st.integers(0, 9))
def test_tasks_are_disjoint_and_hold_all_classes(classes, tasks, seed):
    suite = suite_of(classes)
    if tasks > classes // 2:
        with pytest.raises(UserError, match="do not make"):
            draw_sequence(suite, tasks, seed)
        return
    sequence = draw_sequence(suite, tasks, seed)
    assert len(sequence) == tasks
    assert sorted(sequence.order) == list(range(classes))
    sizes = [len(task) for task in sequence.tasks]
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True)
    assert sequence.tasks == draw_sequence(suite, tasks, seed).tasks
    assert sequence.seen(tasks) == classes


def test_the_order_is_drawn_by_seed():
    suite = suite_of(30)
    assert len({draw_sequence(suite, 3, seed).order for seed in range(5)}) == 5


def test_places_follow_the_order_of_learning():
    suite = suite_of(7)
    sequence = draw_sequence(suite, 3, seed=1)
    for task in (1, 2, 3):
        rows = sequence.rows(suite.train, task, task)
        assert set(suite.train.labels[rows]) == set(sequence.tasks[task - 1])
        places = sequence.labels(suite.train)[rows]
        assert set(places) == set(range(sequence.seen(task - 1), sequence.seen(task)))
    assert sequence.classes(2) == tuple(suite.classes[c] for part in sequence.tasks[:2] for c in part)
    held = set(sequence.competing(suite.shifts["dark"], 2).tolist())
    assert {sequence.order[p] for p in held} == {c for part in sequence.tasks[:2] for c in part if c < 3}
    assert sequence.competing(suite.test, 2).tolist() == list(range(sequence.seen(2)))


def test_a_task_without_images_is_refused():
    suite = suite_of(4)
    lacking = replace(suite, val=numbered("val", [0, 1]))
    split = next(s for s in range(20) if set(draw_sequence(suite, 2, s).tasks[0]) in ({0, 1}, {2, 3}))
    with pytest.raises(UserError, match="no image of val is of a class of task"):
        draw_sequence(lacking, 2, split)


@given(st.integers(0, 40), st.integers(0, 5))
def test_the_buffer_is_balanced_and_only_shrinks(size, seed):
    sequence = draw_sequence(suite_of(9, images=5), 3, seed)
    train, before = sequence.suite.train, None
    places = sequence.labels(train)
    for learnt in (1, 2, 3):
        held = stored(sequence, learnt, size)
        counts = np.bincount(places[held], minlength=9)
        assert len(set(held.tolist())) == len(held) == min(size, 5 * sequence.seen(learnt))
        assert counts[sequence.seen(learnt) :].sum() == 0
        assert counts[: sequence.seen(learnt)].max(initial=0) - counts[: sequence.seen(learnt)].min() <= 1
        if before is not None:  # of a class of the tasks before, nothing comes back
            old = set(held[places[held] < sequence.seen(learnt - 1)].tolist())
            assert old <= set(before.tolist())
        before = held


MATRIX = np.array([[90, np.nan, np.nan], [70, 80, np.nan], [75, 50, 85]], float)


def test_what_the_matrix_says():
    assert average_accuracy(MATRIX, 1) == 90
    assert average_accuracy(MATRIX, 3) == pytest.approx(70)
    assert forgetting(MATRIX, 2) == 20
    # After task 2: 20. After task 3: task 1 gains 5, task 2 loses 30.
    assert forgetting(MATRIX, 3) == pytest.approx((20 + (-5 + 30) / 2) / 2)
    assert forgetting_from_best(MATRIX, 3) == pytest.approx((15 + 30) / 2)
    for measure in (forgetting, forgetting_from_best):
        with pytest.raises(ValueError, match="before a second task"):
            measure(MATRIX, 1)


@given(st.lists(st.floats(0, 100), min_size=2, max_size=6))
def test_nothing_is_forgotten_where_nothing_falls(diagonal):
    matrix = np.tril(np.tile(diagonal, (len(diagonal), 1)))
    assert forgetting(matrix, len(diagonal)) == 0
    assert forgetting_from_best(matrix, len(diagonal)) == 0
    assert average_accuracy(matrix, len(diagonal)) == pytest.approx(np.mean(diagonal))


@given(st.integers(2, 6), st.randoms())
def test_forgetting_is_that_of_the_released_code(tasks, random):
    matrix = np.array([[random.uniform(0, 100) for _ in range(tasks)] for _ in range(tasks)])
    total = 0.0
    for t in range(1, tasks):
        for i in range(t):
            total += (matrix[t - 1, i] - matrix[t, i]) / t
    assert forgetting(matrix, tasks) == pytest.approx(total / (tasks - 1))


OLD, ALL = ("red", "green"), ("blue", "red", "cat", "green")


def task_of(encoder, classes) -> Pretrained:
    return Pretrained(
        encoder, classes, ("a photo of a {}",), encoder.encode_classes(classes, ("a photo of a {}",))
    )


@pytest.mark.parametrize("tunable", [Head(), ImageTower(), Programs()], ids=lambda t: t.name)
def test_a_grown_head_says_the_same_of_old_classes(tunable, tiny_encoder):
    before = tunable.start(task_of(tiny_encoder, OLD))
    rng = torch.Generator().manual_seed(0)
    before.put({n: t + 0.1 * torch.randn(t.shape, generator=rng) for n, t in before.tuned().items()})
    fresh = tunable.start(task_of(tiny_encoder, ALL))
    untouched = copy.deepcopy(fresh)
    fresh.put(fresh.grown_from(before))
    x = torch.rand(3, 3, 32, 32, generator=rng)
    if not tunable.changes_images:
        x = tiny_encoder.forward_images(x)
    with torch.no_grad():
        torch.testing.assert_close(fresh(x)[:, [1, 3]], before(x))
        if isinstance(tunable, Head):  # new rows are those of the captions
            assert torch.equal(fresh(x)[:, [0, 2]], untouched(x)[:, [0, 2]])


@pytest.mark.parametrize("tunable", [ImageTower(), BothTowers()], ids=lambda t: t.name)
def test_the_anchor_of_the_next_task(tunable, tiny_encoder):
    before = tunable.start(task_of(tiny_encoder, OLD))
    tuned = {n: t + 1 for n, t in before.tuned().items()}
    before.put(tuned)
    later = tunable.start(task_of(before.tuned_encoder(), OLD))
    anchors = later.anchors()
    assert anchors
    for name, anchor in anchors.items():
        assert torch.equal(anchor, tuned[name])
    assert replace(tiny_encoder).hash == tiny_encoder.hash


@pytest.mark.parametrize("first", [0, 2])
def test_old_classes_compete_only_where_they_are_learnt(first, tiny_encoder):
    model = Head().start(task_of(tiny_encoder, ALL))
    rng = torch.Generator().manual_seed(0)
    examples = Examples(torch.randn(6, 24, generator=rng), torch.tensor([2, 3] * 3))
    problem = CurrentTask(model, CrossEntropy(), Training(), examples, examples, first=first)
    problem.loss(model(examples.inputs), examples.labels).backward()
    gradient = model.head["weight"].grad
    assert gradient[2:].abs().min() > 0
    assert (gradient[:2].abs().max() > 0) == (first == 0)
    with torch.no_grad():
        val_score, facts = problem.validate()
    logits = model(examples.inputs)[:, first:]
    assert val_score[0] == float((logits.argmax(1) + first == examples.labels).float().mean())
    assert facts["val_accuracy"] == 100 * val_score[0]


def test_what_learns_on_val_lets_the_same_classes_compete(tiny_encoder):
    model = Head().start(task_of(tiny_encoder, ALL))
    rng = torch.Generator().manual_seed(0)
    examples = Examples(torch.randn(6, 24, generator=rng), torch.tensor([2, 3] * 3))
    problem = CurrentTask(model, CrossEntropy(), Training(), examples, examples, first=2)
    loss = problem.val_loss(rng, 6, 0)
    assert loss.item() == pytest.approx(problem.loss(model(examples.inputs), examples.labels).item())
    loss.backward()
    assert model.head["weight"].grad[:2].abs().max() == 0


def test_examples_of_some_rows_are_those_rows(tiny_encoder):
    """What is no example is never read: it may lie on disk."""
    rng = torch.Generator().manual_seed(0)
    features, rows = torch.randn(700, 24, generator=rng), torch.randperm(700, generator=rng)[:600]
    labels = torch.arange(600) % 4
    model = Head().start(task_of(tiny_encoder, ALL))
    some, copied = Examples(features, labels, rows), Examples(features[rows], labels)
    assert len(some) == 600
    ours, theirs = (CurrentTask(model, CrossEntropy(), Training(), part, part) for part in (some, copied))
    chosen = torch.tensor([599, 0, 17])
    assert torch.equal(ours.batch(chosen, [0] * 3, 0, slice(None))[0], features[rows[chosen]])
    with torch.no_grad():
        assert torch.equal(ours.val_logits(), theirs.val_logits())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_radii_start_where_the_weights_are(dtype):
    anchor, rng = torch.zeros(4, 3, dtype=dtype), torch.Generator().manual_seed(0)
    start = torch.randn(4, 3, generator=rng).to(dtype)

    def stepped(here: bool) -> tuple[torch.Tensor, FTP]:
        weight = torch.nn.Parameter(start.clone())
        optimizer = FTP(torch.optim.SGD([weight], lr=1e-3), [("w", weight)], anchor={"w": anchor})
        if here:
            optimizer.start_from_here()
            assert optimizer.radii()["w"] == pytest.approx(float(start.abs().sum(1).max()), rel=1e-5)
        (weight**2).sum().backward()
        optimizer.step()
        return weight.detach(), optimizer

    thrown, _ = stepped(False)
    assert thrown.abs().max() < 1e-4
    kept, optimizer = stepped(True)
    torch.testing.assert_close(kept, start, atol=0.05, rtol=0.02)
    # The loss falls towards the anchor, so that the radius is less than the distance was.
    assert optimizer.radii()["w"] < float(start.abs().sum(1).max())


def test_choices_and_mistakes():
    rows = changed([METHODS["fine-tune"], METHODS["residual-reprogrammer"]], {"training.epochs": "3"})
    assert [row.method.training.epochs for row in rows] == [3, 3]
    wide = changed(rows, {"tunable.width": "0.1"})  # of one of them
    assert wide[0] == rows[0]
    assert wide[1].method.tunable.width == 0.1
    with pytest.raises(UserError, match="no such field"):
        changed(rows, {"training.nothing": "3"})
    with pytest.raises(UserError, match=r"unknown continual method .*; give one of zero-shot, linear-probe"):
        find_continual("ewc")
    with pytest.raises(UserError, match="learns on val"):
        check(changed(rows, {"constraint": "tpgm"})[0])
    with pytest.raises(UserError, match="fixed strength"):
        check(changed(rows, {"blend.alpha": "none"})[1])


def test_every_row_has_the_same_budget():
    trained = [row.method for row in METHODS.values() if row.method.training]
    assert {(m.training.epochs, m.training.batch_size) for m in trained} == {(10, 16)}
    assert {len(m.search) for m in trained} == {1}
    assert all(len(values) == 2 for m in trained for path, values in m.search if path == "training.lr")
    for row in METHODS.values():
        check(row)
        assert row.method.source
