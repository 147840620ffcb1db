"""Locks between commands, on one machine or several that share a disk: a file that says who holds it."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from uuid import uuid4

from psutil import pid_exists

from anchorline.errors import UserError

BEAT = 10.0  # seconds between signs of life
STALE = 60.0  # seconds without one, after which a lock counts no more
_SUFFIX = ".lock"


@dataclass(frozen=True)
class Holder:
    """Who holds a lock: a process of a host, since when (local time there)."""

    host: str
    process: int
    since: str
    token: str
    processes: str = ""  # what tells the machine and its numbers of processes from others: see `machine`

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}, since {self.since}"

    @property
    def gone(self) -> bool:
        """Whether this very machine knows that the process has ended."""
        here = (self.host, self.processes) == (socket.gethostname(), machine())
        return here and not pid_exists(self.process)


class Lock:
    """A lock on a file that is about to be made; beside it lies FILE.lock while the lock is held."""

    def __init__(self, file: Path) -> None:
        self.file = file.with_name(f".{file.name}{_SUFFIX}")
        self._ours: Holder | None = None
        self._stop = threading.Event()

    def take(self) -> bool:
        """Whether the lock is ours now. A stale one is broken first. Raises `UserError` where none can be
        written."""
        holder = self.holder()
        if holder is not None:
            if not self.stale(holder):
                return False
            self.break_open(holder)
        ours = Holder(
            socket.gethostname(), os.getpid(), time.strftime("%Y-%m-%d %H:%M:%S"), uuid4().hex, machine()
        )
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("x", encoding="utf-8") as made:
                made.write(json.dumps(asdict(ours)))
        except FileExistsError:
            return False
        except OSError as error:
            with suppress(OSError):
                if not self.file.stat().st_size:  # a full disk leaves an empty file
                    self.file.unlink()
            raise UserError(
                f"cannot write into {self.file.parent} ({error.strerror}); make room, or give another "
                "directory with --out"
            ) from error
        self._ours = ours
        self._stop.clear()
        threading.Thread(target=self._beat, daemon=True).start()
        return True

    def release(self) -> None:
        """Give it back, unless somebody has found it stale and taken it."""
        self._stop.set()
        if self._ours is not None and self.holder() == self._ours:
            self.file.unlink(missing_ok=True)
        self._ours = None

    def holder(self) -> Holder | None:
        """Who holds it, whoever that is; None: nobody."""
        return _read(self.file)

    @contextmanager
    def held(self, asked: bool = True, tell: Callable[[str], None] = lambda _: None) -> Iterator[None]:
        """The lock, for a block, once whoever holds it has given it back; nothing where it is not `asked`
        for, as by processes that only read. `tell` is told who is waited for."""
        told: Holder | None = None
        while asked and not self.take():
            holder = self.holder()
            if holder and holder != told:
                told = holder
                tell(f"{self.file.parent}: {holder}, is writing; waiting for it")
            time.sleep(0.1)
        try:
            yield
        finally:
            self.release()

    def _beat(self) -> None:
        while not self._stop.wait(BEAT):
            with suppress(OSError):
                if self.holder() == self._ours:
                    os.utime(self.file)

    def stale(self, holder: Holder) -> bool:
        """Whether this holder of the lock has ended, or given no sign of life for `STALE` seconds."""
        if holder.gone:
            return True
        try:
            return _now(self.file.parent) - self.file.stat().st_mtime > STALE
        except OSError:
            return False  # given back in the meantime

    def break_open(self, holder: Holder) -> None:
        """Take a stale lock away; of several who try, one does, and a lock taken in the meantime stays."""
        aside = self.file.with_name(f"{self.file.name}.{uuid4().hex}.part")
        with suppress(OSError):
            if self.holder() == holder:
                self.file.rename(aside)
                if _read(aside) != holder:  # somebody has just broken the stale one, and taken it
                    os.link(aside, self.file)
                aside.unlink()


def _now(directory: Path) -> float:
    """The time by the clock that stamps the files of a directory, which may be another machine's."""
    asked = directory / f".clock.{uuid4().hex}.part"
    try:
        asked.touch()
        return asked.stat().st_mtime
    except OSError:  # such a directory cannot be written, which whoever takes the lock will be told
        return time.time()
    finally:
        with suppress(OSError):
            asked.unlink(missing_ok=True)


def _read(file: Path) -> Holder | None:
    try:
        return Holder(**json.loads(file.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError):
        return Holder("an unknown host", 0, "an unknown time", "")  # it is just being written, say


@cache
def machine() -> str:
    """What tells this boot of this machine, and its numbers of processes, from others of the same name."""
    found = []
    with suppress(OSError):
        found.append(str(Path("/proc/self/ns/pid").readlink()))
        found.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip())
    return " ".join(found)


def locks_below(directory: Path) -> Iterator[tuple[Lock, Holder]]:
    """The locks in a directory, or below it, with their holders."""
    for file in directory.rglob(f".*{_SUFFIX}"):
        lock = Lock(file.with_name(file.name.removeprefix(".").removesuffix(_SUFFIX)))
        holder = lock.holder()
        if holder is not None and holder.token:  # without a token it is not ours
            yield lock, holder


def sweep_locks(directory: Path) -> None:
    """Take away stale locks in a directory, or below it, that killed processes have left."""
    for lock, holder in locks_below(directory):
        if lock.stale(holder):
            lock.break_open(holder)


def refuse_busy(directory: Path) -> None:
    """Raises `UserError` where another process is at work in a directory, or below it."""
    for lock, holder in locks_below(directory):
        if not lock.stale(holder) and (holder.host, holder.process) != (socket.gethostname(), os.getpid()):
            raise UserError(
                f"{directory} cannot be replaced while {holder}, is at work in {lock.file.parent}; wait for "
                "it, or stop it"
            )
