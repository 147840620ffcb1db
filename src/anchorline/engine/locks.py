"""Locks between commands, on one machine or several that share a disk: a file that says who holds it."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
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
    processes: str = ""  # the namespace in which the process has its number, where there are namespaces

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}, since {self.since}"

    @property
    def gone(self) -> bool:
        """Whether this very machine knows that the process has ended."""
        here = (self.host, self.processes) == (socket.gethostname(), _namespace())
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
            socket.gethostname(), os.getpid(), time.strftime("%Y-%m-%d %H:%M:%S"), uuid4().hex, _namespace()
        )
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("x", encoding="utf-8") as made:
                made.write(json.dumps(asdict(ours)))
        except FileExistsError:
            return False
        except OSError as error:
            raise UserError(
                f"cannot write {self.file} ({error.strerror}); make room or give another directory with --out"
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
        try:
            return Holder(**json.loads(self.file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError):
            return Holder("an unknown host", 0, "an unknown time", "")  # it is just being written, say

    @contextmanager
    def held(self, asked: bool = True) -> Iterator[None]:
        """The lock, for a block, once whoever holds it has given it back; nothing where it is not `asked`
        for, as by processes that only read."""
        while asked and not self.take():
            time.sleep(0.1)
        try:
            yield
        finally:
            self.release()

    def _beat(self) -> None:
        while not self._stop.wait(BEAT):
            with suppress(OSError):
                os.utime(self.file)

    def stale(self, holder: Holder) -> bool:
        """Whether this holder of the lock has ended, or given no sign of life for `STALE` seconds."""
        if holder.gone:
            return True
        try:
            return _now(self.file.parent) - self.file.stat().st_mtime > STALE
        except FileNotFoundError:
            return False  # given back in the meantime

    def break_open(self, holder: Holder) -> None:
        """Take a stale lock away; of several who try, one does, and a lock taken in the meantime stays."""
        aside = self.file.with_name(f"{self.file.name}.{uuid4().hex}.part")
        with suppress(OSError):
            if self.holder() == holder:
                self.file.rename(aside)
                aside.unlink()


def _now(directory: Path) -> float:
    """The time by the clock that stamps the files of a directory, which may be another machine's."""
    asked = directory / f".clock.{uuid4().hex}.part"
    asked.touch()
    try:
        return asked.stat().st_mtime
    finally:
        asked.unlink()


def _namespace() -> str:
    with suppress(OSError):
        return str(Path("/proc/self/ns/pid").readlink())
    return ""


def sweep_locks(directory: Path) -> None:
    """Take away stale locks in a directory, or below it, that killed processes have left."""
    for file in directory.rglob(f".*{_SUFFIX}"):
        lock = Lock(file.with_name(file.name.removeprefix(".").removesuffix(_SUFFIX)))
        holder = lock.holder()
        if holder is not None and lock.stale(holder):
            lock.break_open(holder)
