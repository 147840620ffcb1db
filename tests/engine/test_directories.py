"""The rule for --out: new, empty, or the same kind about the same things."""

import subprocess
import sys

import pytest

from anchorline.engine.directories import MARKER, Named, claim_directory
from anchorline.errors import UserError

WORKER = """
import sys, time
from pathlib import Path
from anchorline.engine.locks import Lock
assert Lock(Path(sys.argv[1])).take()
print("taken", flush=True)
time.sleep(60)
"""
ABOUT = {"suite": Named("birds", "01"), "encoder": Named("clip", "02")}


def claim(directory, kind="comparison", about=ABOUT, **more):
    return claim_directory(directory, kind, about, ours=("runs/*/config.json", "*.csv"), **more)


@pytest.fixture
def claimed(tmp_path):
    out = claim(tmp_path / "a" / "out")
    (out / "runs" / "ours").mkdir(parents=True)
    (out / "runs" / "ours" / "config.json").touch()
    (out / "results.csv").touch()
    (out / "notes.txt").touch()
    return out


def test_new_empty_and_again(tmp_path, claimed):
    assert (claimed / MARKER).is_file()
    before = (claimed / MARKER).stat().st_mtime_ns
    claim(claimed)
    assert (claimed / MARKER).stat().st_mtime_ns == before
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".DS_Store").touch()
    claim(tmp_path / "empty")


def test_the_same_under_another_name_is_the_same(claimed):
    claim(claimed, about={**ABOUT, "suite": Named("oiseaux", "01")})
    claim(claimed)
    assert (claimed / "results.csv").exists()


def test_another_is_refused_and_replaced(claimed):
    other = {**ABOUT, "suite": Named("birds", "03")}
    with pytest.raises(UserError, match=r"of birds \(hash 01\), not birds \(hash 03\); .*--overwrite"):
        claim(claimed, about=other)
    assert (claimed / "results.csv").exists()
    (claimed / "runs" / "theirs").mkdir()
    (claimed / "runs" / "theirs" / "notes.txt").touch()
    claim(claimed, about=other, overwrite=True)
    assert not (claimed / "runs" / "ours").exists()
    assert (claimed / "runs" / "theirs" / "notes.txt").exists()
    assert {path.name for path in claimed.iterdir()} == {MARKER, "notes.txt", "runs"}
    claim(claimed, about=other)


def test_another_kind_and_foreign_files_are_refused_whatever_is_said(tmp_path, claimed):
    with pytest.raises(UserError, match="holds a comparison, not a run"):
        claim(claimed, kind="run", overwrite=True)
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UserError, match="holds something else"):
        claim(tmp_path, overwrite=True)
    with pytest.raises(UserError, match=r"thesis\.tex is a file"):
        claim(tmp_path / "thesis.tex")
    with pytest.raises(UserError, match="cannot write into"):
        claim(tmp_path / "thesis.tex" / "below")
    assert (tmp_path / "thesis.tex").exists()


def test_what_earlier_versions_left_is_known(tmp_path):
    (tmp_path / "results.csv").touch()
    claim(tmp_path, before=lambda _: ("comparison", ABOUT))
    with pytest.raises(UserError, match="not birds"):
        claim(tmp_path, about={"suite": Named("birds", "09")})


def test_nothing_is_replaced_beneath_a_living_command(claimed):
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(claimed / "runs" / "ours" / "config.json")],
                              stdout=subprocess.PIPE)  # fmt: skip
    try:
        assert worker.stdout.readline() == b"taken\n"
        other = {**ABOUT, "suite": Named("birds", "03")}
        with pytest.raises(UserError, match=rf"cannot be replaced while process {worker.pid} on"):
            claim(claimed, about=other, overwrite=True)
        assert (claimed / "results.csv").exists()
    finally:
        worker.kill()
        worker.wait()
    claim(claimed, about=other, overwrite=True)
    assert not (claimed / "results.csv").exists()


def test_a_link_to_nothing(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match="link is a link to nothing"):
        claim(tmp_path / "link")
