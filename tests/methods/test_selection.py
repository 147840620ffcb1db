"""A search: every combination, the best on val, and what happens to trials that diverge."""

from __future__ import annotations

from dataclasses import replace

import pytest

from anchorline import METHODS
from anchorline.errors import DivergedError
from anchorline.methods.selection import best_of, trials


def test_trials_are_all_combinations_with_the_values_in_place():
    search = (("training.lr", (1e-4, 1e-3)), ("training.epochs", (2, 3, 4)))
    found = list(trials(replace(METHODS["fine-tune"], search=search)))
    assert [(v["training.lr"], v["training.epochs"]) for v, _ in found] == [
        (lr, epochs) for lr in (1e-4, 1e-3) for epochs in (2, 3, 4)
    ]
    for values, row in found:
        assert (row.training.lr, row.training.epochs) == tuple(values.values())
    row = replace(METHODS["fine-tune"], search=())
    assert list(trials(row)) == [({}, row)]


def result(trial):
    name, val_score = trial
    if val_score is None:
        raise DivergedError(f"{name} diverged")
    return val_score, name


def test_the_highest_merit_wins_and_ties_go_to_the_first():
    tried = [("a", (0.5, -1.0)), ("b", (0.7, -2.0)), ("c", (0.7, -1.0)), ("d", (0.7, -1.0))]
    assert best_of(tried, result) == "c"


def test_a_trial_that_diverges_is_lost_and_all_are_an_error():
    assert best_of([("a", None), ("b", (0.1, -1.0)), ("c", None)], result) == "b"
    with pytest.raises(DivergedError, match="c diverged"):
        best_of([("a", None), ("c", None)], result)
