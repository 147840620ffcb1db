"""The trials of a search: val chooses among what each has found, in memory or on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from anchorline.engine.jobs import Job, do_all
from anchorline.engine.progress import Silent
from anchorline.errors import DivergedError
from anchorline.training.state import CHECKPOINT, LOG
from anchorline.training.trial import Search, Trial, best_trial

CPU = torch.device("cpu")
RATES = [{"training.lr": rate} for rate in (1e-3, 1e-2, 1e-1)]
SCORES = [(0.5, -1.0), (0.9, -0.4), (0.9, -0.3)]


class Trainer:
    """Finds what is set out for each trial, and leaves a state and a log where a job says; None diverges."""

    def __init__(self, scores: Sequence[tuple[float, float] | None]) -> None:
        self.scores, self.calls = scores, []  # type: ignore[var-annotated]

    def __call__(self, number: int, job: Job | None) -> Trial:
        self.calls.append(number)
        if job:
            job.file.parent.mkdir(parents=True, exist_ok=True)
            for name in (CHECKPOINT, LOG):
                (job.file.parent / name).touch()
        score = self.scores[number]
        if score is None:
            raise DivergedError(f"trial {number} is no number")
        tuned = {"weight": torch.full((2, 3), 0.1 + number)}
        return Trial(tuned, {"alpha": number / 10}, score, [[1, "weight", 0.5, None]])


def search(train: Trainer, directory: Path | None, seed: int = 0, **more) -> Search:
    return Search({"seed": seed}, RATES, directory, CPU, train, **more)


@pytest.fixture(params=["in memory", "on disk"])
def directory(request, tmp_path) -> Path | None:
    return tmp_path if request.param == "on disk" else None


def test_the_best_on_val_wins_and_each_is_trained_once(directory):
    train = Trainer(SCORES)
    looked_at = search(train, directory)
    assert best_trial(looked_at.outcomes()) == best_trial(looked_at.outcomes()) == 2
    assert train.calls == [0, 1, 2]
    won = looked_at.trial(2)
    assert torch.equal(won.tuned["weight"], torch.full((2, 3), 2.1))
    assert (won.chosen, won.val_score, won.diverged) == ({"alpha": 0.2}, (0.9, -0.3), "")
    assert won.movement == [[1, "weight", 0.5, None]]
    assert won.seconds >= 0
    assert won.peak_memory > 0


def test_ties_go_to_the_first(directory):
    assert best_trial(search(Trainer([(0.5, -1.0)] * 3), directory).outcomes()) == 0


def test_a_trial_that_diverges_loses(directory):
    looked_at = search(Trainer([None, (0.1, -9.0), None]), directory)
    assert best_trial(looked_at.outcomes()) == 1
    assert [trial.diverged for trial in looked_at.outcomes()] == [
        "trial 0 is no number", "", "trial 2 is no number",
    ]  # fmt: skip


def test_where_all_diverge_the_last_tells_why(directory):
    train = Trainer([None] * 3)
    for _ in range(2):
        with pytest.raises(DivergedError, match="trial 2 is no number"):
            best_trial(search(train, directory).outcomes())
    assert train.calls == [0, 1, 2] * (2 if directory is None else 1)


def test_preparing_comes_before_each_training(directory):
    order = []
    train = Trainer(SCORES)
    looked_at = search(train, directory, prepare=lambda: order.append(len(train.calls)))
    looked_at.outcomes()
    assert order == [0, 1, 2]


# ---- on disk


def test_outcomes_on_disk_come_without_tensors(tmp_path):
    assert [trial.tuned for trial in search(Trainer(SCORES), tmp_path).outcomes()] == [{}, {}, {}]


def test_another_process_goes_on_from_what_is_there_and_another_request_does_not(tmp_path):
    search(Trainer(SCORES), tmp_path).outcomes()
    later, other = Trainer(SCORES), Trainer(SCORES)
    assert best_trial(search(later, tmp_path).outcomes()) == 2
    assert later.calls == []
    assert best_trial(search(other, tmp_path, seed=1).outcomes()) == 2
    assert other.calls == [0, 1, 2]


def test_the_state_of_training_has_served_unless_it_diverged(tmp_path):
    looked_at = search(Trainer([(0.5, -1.0), None, (0.6, -1.0)]), tmp_path)
    looked_at.outcomes()
    kept = [(job.file.parent / CHECKPOINT).exists() for job in looked_at.jobs()]
    assert kept == [False, True, False]


def test_cleaning_takes_the_answers_and_leaves_the_logs(tmp_path):
    looked_at = search(Trainer(SCORES), tmp_path)
    looked_at.outcomes()
    looked_at.clean()
    left = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert left == [tmp_path / f"trial-{number}" / LOG for number in range(3)]
    looked_at.clean()


def test_steps_do_what_is_not_done_until_the_run_has_its_answer(tmp_path):
    run = Job({"seed": 0}, tmp_path / "config.json")
    train = Trainer(SCORES)
    looked_at = search(train, tmp_path)
    looked_at.jobs()[1].put({"by": "another"})
    do_all(looked_at.steps("fine-tune", run), Silent())
    assert train.calls == [0, 2]
    run.put({})
    do_all(looked_at.steps("fine-tune", run), Silent())
    assert train.calls == [0, 2]
    assert not any(job.file.exists() for job in looked_at.jobs())


def test_in_memory_there_are_no_jobs():
    looked_at = search(Trainer(SCORES), None)
    assert looked_at.jobs() == looked_at.steps("fine-tune", Job({}, Path("none.json"))) == []
    looked_at.clean()
