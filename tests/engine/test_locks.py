"""Locks between commands: who holds one, when it counts no more, and who takes it then."""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace

import pytest

from anchorline.engine import locks
from anchorline.engine.locks import STALE, Holder, Lock, sweep_locks


@pytest.fixture
def file(tmp_path):
    return tmp_path / "answer.json"


def held_by(lock: Lock, **changes) -> Holder:
    """The lock in the hands of another process, which is alive unless told otherwise."""
    assert lock.take()
    holder = replace(lock.holder(), token="another's", **changes)
    lock.release()
    lock.file.write_text(json.dumps(asdict(holder)))
    return holder


def ended() -> int:
    """The number of a process that was there."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_one_takes_it_and_gives_it_back(file):
    ours, theirs = Lock(file), Lock(file)
    assert ours.take()
    assert not theirs.take()
    assert theirs.holder().process == os.getpid()
    theirs.release()  # which it does not hold
    assert not theirs.take()
    ours.release()
    assert theirs.take()
    theirs.release()
    assert list(file.parent.iterdir()) == []


def test_that_of_a_dead_process_is_taken_at_once(file):
    lock = Lock(file)
    held_by(lock, process=ended())
    assert lock.take()
    lock.release()


def test_without_a_sign_of_life_it_counts_no_more(file):
    lock = Lock(file)
    held_by(lock, host="elsewhere")
    assert not lock.take()
    before = time.time() - STALE - 1
    os.utime(lock.file, (before, before))
    assert lock.take()
    lock.release()


def test_signs_of_life_keep_it(file, monkeypatch):
    monkeypatch.setattr(locks, "BEAT", 0.02)
    lock = Lock(file)
    assert lock.take()
    before = time.time() - STALE - 1
    os.utime(lock.file, (before, before))
    for _ in range(100):
        time.sleep(0.02)
        if lock.file.stat().st_mtime > before + STALE:
            break
    assert not Lock(file).take()
    lock.release()


def test_a_lock_that_was_taken_in_the_meantime_is_not_broken(file):
    lock = Lock(file)
    old = held_by(lock, process=ended())
    new = held_by(lock)
    lock.break_open(old)
    assert lock.holder() == new


def test_sweeping_takes_stale_ones_alone(tmp_path):
    dead, alive = Lock(tmp_path / "a" / "dead"), Lock(tmp_path / "alive")
    held_by(dead, process=ended())
    held_by(alive)
    sweep_locks(tmp_path)
    assert not dead.file.exists()
    assert alive.file.exists()
