"""Jobs: a question knows its answer, and several who ask share the work."""

import json
import subprocess
import sys
from dataclasses import dataclass, field

import pytest
import torch

from anchorline.engine.jobs import Job, Step, do_all, identity_of, set_fields
from anchorline.engine.locks import Lock
from anchorline.engine.progress import Silent


class Telling(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, sentence):
        self.said.append(sentence)


def step(job: Job, done: list[str], title: str = "", **more) -> Step:
    def do() -> None:
        done.append(title or job.file.stem)
        job.put({"by": title})

    return Step(title or job.file.stem, job, do, **more)


def test_the_order_of_keys_makes_no_other_question():
    assert identity_of({"a": 1, "b": [2]}) == identity_of({"b": [2], "a": 1})
    assert identity_of({"a": 1}) != identity_of({"a": 2})


def test_fields_at_their_defaults_make_no_other_question():
    @dataclass
    class Asked:
        a: int = 1
        b: list = field(default_factory=list)

    assert set_fields(Asked()) == {}
    assert set_fields(Asked(a=2)) == {"a": 2}
    assert set_fields(Asked(b=[0])) == {"b": [0]}


@pytest.mark.parametrize("name", ["answer.json", "answer.safetensors"])
def test_an_answer_belongs_to_its_question(tmp_path, name):
    job, other = (Job({"asked": n}, tmp_path / name) for n in (1, 2))
    assert job.answer() is None
    assert not job.finished()
    job.put({"found": [1.5, None]}, {"x": torch.arange(3)})
    assert job.finished()
    assert job.answer().facts["found"] == [1.5, None]
    assert not other.finished()
    assert other.answer() is None
    assert other.holds_another()
    assert not job.holds_another()
    job.file.write_bytes(b"torn")
    assert not job.finished()


def test_tensors_come_back(tmp_path):
    job = Job({}, tmp_path / "a.safetensors")
    job.put({}, {"x": torch.arange(3)})
    assert torch.equal(job.answer().tensors["x"], torch.arange(3))


def test_what_is_missing_is_done_in_order_and_once(tmp_path):
    jobs = [Job({"n": n}, tmp_path / f"{n}.json") for n in range(4)]
    jobs[1].put({})
    done: list[str] = []
    steps = [
        step(jobs[3], done, needs=(jobs[2],)),  # waits for the others, wherever it stands
        step(jobs[0], done),
        step(jobs[1], done),
        step(jobs[2], done),
    ]
    do_all(steps, Silent())
    assert done == ["0", "2", "3"]
    do_all(steps, Silent())
    assert done == ["0", "2", "3"]
    assert not list(tmp_path.glob(".*"))


def test_what_serves_a_finished_job_is_not_done(tmp_path):
    whole, part = Job({"n": 0}, tmp_path / "whole.json"), Job({"n": 1}, tmp_path / "part.json")
    whole.put({})
    done: list[str] = []
    do_all([step(part, done, serves=whole)], Silent())
    assert done == []


def test_a_step_that_fails_gives_its_lock_back(tmp_path):
    job = Job({}, tmp_path / "a.json")

    def fail() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        do_all([Step("a", job, fail)], Silent())
    assert Lock(job.file).holder() is None


def test_others_are_waited_for_by_name_and_stood_in_for(tmp_path, monkeypatch):
    mine, theirs = (Job({"n": n}, tmp_path / f"{n}.json") for n in (0, 1))
    lock, done, telling = Lock(theirs.file), [], Telling()
    assert lock.take()

    def give_up(_seconds):
        lock.release()  # without an answer

    monkeypatch.setattr("anchorline.engine.jobs.time.sleep", give_up)
    do_all([step(theirs, done, "the other"), step(mine, done, "mine")], telling)
    assert done == ["mine", "the other"]
    (said,) = telling.said
    assert said.startswith("the other: process ")
    assert "since" in said


WORKER = """
import sys, time
from pathlib import Path
from anchorline.engine.jobs import Job, Step, do_all
from anchorline.engine.progress import Silent
folder = Path(sys.argv[1])
def step(n):
    job = Job({"n": n}, folder / f"{n}.json")
    def do():
        with (folder / "log").open("a") as log:
            log.write(f"{n}\\n")
        time.sleep(0.01)
        job.put({})
    return Step(str(n), job, do)
do_all([step(n) for n in range(30)], Silent())
"""


def test_two_processes_do_each_job_once(tmp_path, monkeypatch):
    workers = [subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path)]) for _ in range(2)]
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
    assert sorted(map(int, (tmp_path / "log").read_text().split())) == list(range(30))
    assert all(json.loads((tmp_path / f"{n}.json").read_text())["n"] == n for n in range(30))
