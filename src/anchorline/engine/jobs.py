"""A unit of work: a question, its hash, and its answer on disk, which whoever asks again finds there.

A job needs nobody's memory: any process may do it, in any order that its needs allow. `do_all` does what is
not done yet, and several commands that are given the same jobs share them.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from torch import Tensor

from anchorline.engine.distributed import from_main_process
from anchorline.engine.locks import Lock
from anchorline.engine.progress import Narrator
from anchorline.engine.storage import read_facts, read_tensors, write_tensors, write_text
from anchorline.errors import UserError

_HASH = "configuration_hash"
_WAIT = 1.0  # seconds between two looks at what others are doing


def identity_of(request: Mapping[str, Any]) -> str:
    """Hex sha256 (16 digits) of a request of plain JSON values."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:16]


def set_fields(value: Any) -> dict[str, Any]:
    """The fields of a dataclass that are not at their defaults, by name.

    What identifies a request holds these alone, so that a field that is added later does not make every old
    answer another one's; where a default changes, the format of the request must.
    """
    found = {}
    for one in fields(value):
        default = one.default_factory() if callable(one.default_factory) else one.default
        if getattr(value, one.name) != default:
            found[one.name] = getattr(value, one.name)
    return found


class Answer(NamedTuple):
    """What a job has found: JSON values, and tensors by name."""

    facts: dict[str, Any]
    tensors: dict[str, Tensor]


@dataclass(frozen=True)
class Job:
    """A question and the file that holds its answer, under the hash of the question.

    Attributes:
        request: all that decides the answer, as plain JSON values.
        file: ends in .json, for an answer that people read, with the request in it; or in .safetensors, for
            one with tensors.
    """

    request: Mapping[str, Any]
    file: Path

    @property
    def identity(self) -> str:
        return identity_of(self.request)

    def answer(self) -> Answer | None:
        """The answer to this very question, if it is there."""
        if self.file.suffix == ".json":
            facts = read_json(self.file)
            found = Answer(facts, {}) if facts else None
        else:
            stored = read_tensors(self.file)
            found = Answer(stored[1], stored[0]) if stored else None
        return found if found and found.facts.get(_HASH) == self.identity else None

    def finished(self) -> bool:
        """Whether the answer to this very question is there."""
        facts = read_json(self.file) if self.file.suffix == ".json" else read_facts(self.file)
        return facts.get(_HASH) == self.identity

    def put(self, facts: Mapping[str, Any], tensors: Mapping[str, Tensor] | None = None) -> None:
        """Write the answer, whole or not at all. Raises `UserError`."""
        if self.file.suffix == ".json":
            whole = {_HASH: self.identity, **self.request, **facts}
            write_text(self.file, json.dumps(whole, indent=2, ensure_ascii=False) + "\n")
        else:
            write_tensors(self.file, tensors or {}, {_HASH: self.identity, **facts})

    def holds_another(self) -> bool:
        """Whether the file holds the answer to another question."""
        return self.file.is_file() and not self.finished()


def read_json(file: Path) -> dict[str, Any]:
    """The JSON object of a file; empty where there is none."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Step:
    """A job and how it is done.

    Attributes:
        title: what a user calls it, such as "fine-tune, seed 0".
        job: what is asked, and where the answer goes.
        do: puts the answer there. Of several processes at one command all call it, and the first one writes.
        needs: jobs whose answers it reads.
        serves: the job that this one is done for; once that has its answer, this one's is taken away.
        guarded: whether an answer to another question stays where it is: such a step raises `UserError`.
        after: called when nothing of the step is left to do here, whoever has done it.
    """

    title: str
    job: Job
    do: Callable[[], object]
    needs: tuple[Job, ...] = ()
    serves: Job | None = None
    guarded: bool = False
    after: Callable[[], object] = lambda: None

    def done(self) -> bool:
        """Whether there is nothing to do any more."""
        return self.job.finished() or (self.serves is not None and self.serves.finished())


def do_all(steps: Iterable[Step], narrator: Narrator) -> None:
    """Do every step that has no answer yet and that no other command is at; then wait for those of others.

    Steps are done in their order, but for those that wait for another command. Where that one gives up, its
    step is done here. Raises what a step raises.
    """
    pending, told = list(steps), set[str]()
    while pending:
        waiting = []
        for step in pending:
            lock = Lock(step.job.file)
            claim = from_main_process(partial(_claim, step, lock))
            if claim == "ours":
                try:
                    step.do()
                finally:
                    lock.release()
            if claim == "wait":
                waiting.append(step)
            else:
                step.after()
        if len(waiting) == len(pending):  # nothing was to be done but to wait
            for step in pending:
                holder = Lock(step.job.file).holder()
                if holder and str(holder) not in told:
                    told.add(str(holder))
                    narrator.say(f"{step.title}: {holder}, is at it; waiting for it")
            time.sleep(_WAIT)
        pending = waiting
    from_main_process(lambda: None)  # the first process has put all answers when the others read them


def _claim(step: Step, lock: Lock) -> Literal["done", "wait", "ours"]:
    if step.serves and step.serves.finished():
        step.job.file.unlink(missing_ok=True)
        return "done"
    if step.job.finished():
        return "done"
    if not all(job.finished() for job in step.needs) or not lock.take():
        return "wait"
    if step.done():  # between the two looks
        lock.release()
        return "done"
    if step.guarded and step.job.holds_another():
        lock.release()
        raise UserError(
            f"another command has put another {step.title} into {step.job.file.parent} in the meantime, with "
            "other settings; give another directory with --out"
        )
    return "ours"
