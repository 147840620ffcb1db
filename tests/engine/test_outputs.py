"""What we did not write is never written over."""

import pytest

from anchorline.engine import outputs
from anchorline.engine.outputs import OwnFolder, check_replaceable
from anchorline.errors import UserError


def test_a_file_is_replaced_only_with_its_mark(tmp_path):
    file = tmp_path / "page.html"
    check_replaceable(file, "<ours", "a page")
    file.touch()
    check_replaceable(file, "<ours", "a page")
    file.write_text("<!doctype html><ours 1.0>")
    check_replaceable(file, "<ours", "a page")
    for foreign in ("notes", " " * 5000 + "<ours"):
        file.write_text(foreign)
        with pytest.raises(UserError, match=r"page.html exists and is not a page that anchorline wrote; "):
            check_replaceable(file, "<ours", "a page")
    (tmp_path / "link.html").symlink_to(tmp_path / "nowhere")
    for other in (tmp_path, tmp_path / "link.html"):
        with pytest.raises(UserError, match="is a folder, a link or a device"):
            check_replaceable(other, "<ours", "a page")
    with pytest.raises(UserError, match=r"page.html is a file; give another"):
        check_replaceable(file / "below.html", "<ours", "a page")


def test_a_folder_takes_back_what_was_written_into_it(tmp_path):
    for content in (b"one", b"another", b"one"):
        folder = OwnFolder(tmp_path / "out")
        assert folder.write("masks/a.png", content).read_bytes() == content
        folder.write("masks/b.png", b"b")
    (tmp_path / "out" / "masks" / "empty").mkdir()
    (tmp_path / "out" / ".DS_Store").touch()
    OwnFolder(tmp_path / "out")


def test_a_folder_with_anything_else_is_refused(tmp_path):
    out = tmp_path / "out"
    OwnFolder(out).write("masks/a.png", b"a")
    (out / "masks" / "a.png").write_bytes(b"corrected by hand")
    with pytest.raises(
        UserError, match=r"out holds masks/a.png, which .* or which has changed since; give a"
    ):
        OwnFolder(out)
    for name in "bcde":
        (out / f"{name}.txt").touch()
    with pytest.raises(UserError, match=r"out holds b.txt, c.txt, d.txt and 2 more, which"):
        OwnFolder(out)
    with pytest.raises(UserError, match=r"b.txt is no directory"):
        OwnFolder(out / "b.txt")


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "masks").symlink_to(tmp_path / "theirs")
    with pytest.raises(UserError, match=r"out holds masks, which"):
        OwnFolder(tmp_path / "out")


def test_a_killed_process_leaves_nothing_foreign(tmp_path):
    OwnFolder(tmp_path / "out").write("a.png", b"a")
    with (tmp_path / "out" / outputs._LEDGER).open("a") as ledger:
        ledger.write('\n["b.png", "12')
    folder = OwnFolder(tmp_path / "out")
    folder.write("b.png", b"b")
    OwnFolder(tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.png")} == {
        "a.png": b"a", "b.png": b"b",
    }  # fmt: skip
