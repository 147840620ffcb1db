"""Files are whole or as they were, whoever stops us."""

import os
import subprocess
import sys
import threading

import pytest
import torch

from anchorline.engine.storage import read_facts, read_tensors, replacing, sweep, write_tensors, write_text
from anchorline.errors import UserError


@pytest.mark.parametrize("crash", [KeyboardInterrupt, MemoryError])
def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path, crash):
    file = tmp_path / "a.txt"
    write_text(file, "old")

    def write():
        with replacing(file) as unfinished:
            unfinished.write_text("half")
            raise crash

    with pytest.raises(crash):
        write()
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_full_disk_is_told_in_a_sentence(tmp_path):
    with (
        pytest.raises(UserError, match=r"cannot write .*a.txt \(.*No space left.*\); make room"),
        replacing(tmp_path / "a.txt"),
    ):
        raise OSError(28, "No space left on device")


def test_tensors_and_facts_come_back(tmp_path):
    file = tmp_path / "below" / "a.safetensors"
    write_tensors(file, {"x": torch.arange(6).reshape(2, 3).T}, {"n": [1, None]})
    tensors, facts = read_tensors(file)
    assert torch.equal(tensors["x"], torch.arange(6).reshape(2, 3).T)
    assert facts == read_facts(file) == {"n": [1, None]}
    file.write_bytes(b"torn")
    assert read_tensors(file) is None
    assert read_facts(file) == {}


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_the_umask_of_now_decides_who_may_read(tmp_path, mask):
    before = os.umask(mask)
    try:
        write_text(tmp_path / "a", "")
        write_tensors(tmp_path / "b", {"x": torch.zeros(1)})
    finally:
        os.umask(before)
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in "ab"} == {0o666 & ~mask}


def test_two_writers_leave_one_whole(tmp_path):
    file = tmp_path / "a.txt"

    def write(letter):
        for _ in range(30):
            write_text(file, letter * 10_000)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert file.read_text() in ("a" * 10_000, "b" * 10_000)
    assert list(tmp_path.iterdir()) == [file]


def test_litter_of_dead_processes_goes(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from anchorline.engine.storage import replacing\n"
        "with replacing(Path(sys.argv[1])) as unfinished:\n"
        "    unfinished.write_text('half'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "sub" / "dead")], check=False)
    with replacing(tmp_path / "alive") as unfinished:
        unfinished.write_text("half")
        assert len(list((tmp_path / "sub").iterdir())) == 1
        sweep(tmp_path)
        assert list((tmp_path / "sub").iterdir()) == []
        assert unfinished.exists()
