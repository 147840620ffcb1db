import os
import pickle
import unicodedata
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from anchorline.engine.parallel import thread_map
from anchorline.errors import UserError
from anchorline.suites.images.files import find_images
from anchorline.suites.images.image_set import ImageSet, joined
from anchorline.suites.images.sources import Archive, Folder


def put(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(path.encode())


def zipped(file: Path, *paths: str) -> Archive:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            archive.writestr(path, path.encode())
    return Archive(file)


def test_finds_images_at_any_depth_and_nothing_else(tmp_path):
    put(tmp_path, "b.JPG", "a/x.png", "a/deep/er/y.TiFF", "z.avif", "z.jp2", "z.ico")
    put(tmp_path, "notes.txt", "Thumbs.db", ".DS_Store", "noextension", "a/._x.png", ".hidden.jpg")
    put(tmp_path, ".ipynb_checkpoints/x.jpg", "__MACOSX/x.jpg", "@eaDir/x.jpg")
    assert find_images(tmp_path) == [
        "a/deep/er/y.TiFF", "a/x.png", "b.JPG", "z.avif", "z.ico", "z.jp2",
    ]  # fmt: skip


def test_a_hidden_folder_above_the_root_does_not_hide_it(tmp_path):
    put(tmp_path, ".cache/set/x.jpg")
    assert find_images(tmp_path / ".cache" / "set") == ["x.jpg"]


def test_links_are_followed_and_loops_end(tmp_path):
    put(tmp_path, "elsewhere/far.jpg", "set/a/near.jpg", "set/b/also.jpg")
    (tmp_path / "set/a/far").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set/a/up").symlink_to(tmp_path / "set")
    (tmp_path / "set/a/self").symlink_to(tmp_path / "set/a")
    (tmp_path / "elsewhere/back").symlink_to(tmp_path / "set/a")
    (tmp_path / "set/a/link.jpg").symlink_to(tmp_path / "elsewhere/far.jpg")
    (tmp_path / "set/a/dangling.jpg").symlink_to(tmp_path / "nowhere.jpg")
    # `up` leads to a folder above `a`: b's image is not one of a's.
    assert find_images(tmp_path / "set/a") == [
        "dangling.jpg", "far/far.jpg", "link.jpg", "near.jpg",
    ]  # fmt: skip


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may list every folder")
def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path):
    (tmp_path / "locked").mkdir(mode=0)
    with pytest.raises(UserError, match=r"locked.*permissions"):
        find_images(tmp_path)


def test_select_keeps_labels_with_their_images(tmp_path):
    images = ImageSet("x", Folder(tmp_path), ("a", "b", "c"), np.array([0, 1, 2]), (0, 1, 2))
    chosen = images.select([2, 0])
    assert chosen.paths == ("c", "a")
    assert chosen.labels.tolist() == [2, 0]
    assert chosen.columns == (0, 1, 2)
    assert ImageSet("x", Folder(tmp_path), ("a", "b")).select(np.array([1])).labels is None


def test_hash_depends_on_path_bytes_and_order_but_not_on_place(tmp_path):
    put(tmp_path / "here", "a.jpg", "b.jpg")
    put(tmp_path / "there", "a.jpg", "b.jpg")
    here, there = (ImageSet("x", Folder(tmp_path / d), ("a.jpg", "b.jpg")) for d in ("here", "there"))
    archived = ImageSet("y", zipped(tmp_path / "z.zip", "a.jpg", "b.jpg"), here.paths)
    assert here.content_hash() == there.content_hash() == archived.content_hash()
    # Pinned: a change of it would make every cached result stale.
    assert here.content_hash() == "e22238bdc52cd1d682bfcd966b9d84aa"
    assert here.select([1, 0]).content_hash() != here.content_hash()
    (tmp_path / "there/b.jpg").write_bytes(b"other")
    assert here.select([0, 1]).content_hash() == here.content_hash()
    assert there.select([0, 1]).content_hash() != here.content_hash()


def test_hash_is_the_same_for_composed_and_decomposed_names(tmp_path):
    hashes = set()
    for form in ("NFC", "NFD"):
        name = unicodedata.normalize(form, "é.jpg")
        (tmp_path / form).mkdir()
        (tmp_path / form / name).write_bytes(b"same")
        hashes.add(ImageSet("x", Folder(tmp_path / form), (name,)).content_hash())
    assert len(hashes) == 1


def test_hash_is_computed_once_and_reports_progress(tmp_path):
    put(tmp_path, "a.jpg", "b.jpg")
    images, calls = ImageSet("x", Folder(tmp_path), ("a.jpg", "b.jpg")), []
    first = images.content_hash(lambda *call: calls.append(call))
    assert calls == [(1, 2), (2, 2)]
    (tmp_path / "a.jpg").unlink()
    assert images.content_hash() == first
    # A file that cannot be read has a hash of its own, and `decode` says which it is.
    assert images.select([0]).content_hash() not in (first, images.select([1]).content_hash())


def test_an_archive_is_read_from_many_threads_and_travels_to_other_processes(tmp_path):
    names = [f"{i}.jpg" for i in range(200)]
    archive = pickle.loads(pickle.dumps(zipped(tmp_path / "z.zip", *names)))
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(archive.read, names * 3)) == [name.encode() for name in names * 3]
    assert archive.where("1.jpg") == f"{tmp_path / 'z.zip'}!1.jpg"


def test_a_rewritten_archive_is_read_anew(tmp_path):
    archive = zipped(tmp_path / "z.zip", "a.jpg")
    assert archive.read("a.jpg") == b"a.jpg"
    zipped(tmp_path / "z.zip", "long-name-first.jpg", "b.jpg")
    os.utime(tmp_path / "z.zip", ns=(1, 1))
    assert archive.read("b.jpg") == b"b.jpg"


def test_in_parallel_keeps_order_over_many_blocks_and_passes_errors_on():
    calls = []
    assert thread_map(lambda i: i * i, 1000, lambda *call: calls.append(call)) == [i * i for i in range(1000)]
    assert calls == [(i, 1000) for i in range(1, 1001)]
    with pytest.raises(ZeroDivisionError):
        thread_map(lambda i: 1 // (i - 700), 1000, None)


def test_joined_sets_are_one_set(tmp_path):
    put(tmp_path / "folder", "a.jpg", "c.jpg")
    here = ImageSet("here", Folder(tmp_path / "folder"), ("a.jpg", "c.jpg"), np.array([1, 0]))
    there = ImageSet("there", zipped(tmp_path / "z.zip", "a.jpg"), ("a.jpg",), np.array([2]), columns=(2,))
    both = joined("oracle", [here, there])
    assert (both.name, len(both), both.labels.tolist(), both.columns) == ("oracle", 3, [1, 0, 2], None)
    assert [both.source.read(path) for path in both.paths] == [b"a.jpg", b"c.jpg", b"a.jpg"]
    assert [both.where(i) for i in (1, 2)] == [here.where(1), there.where(0)]
    assert both.content_hash() == joined("other", [here, there]).content_hash()
    others = [joined("x", [there, here]), joined("x", [here]), both.select([0, 1]), both.select([1, 0, 2])]
    assert len({both.content_hash(), here.content_hash(), *(one.content_hash() for one in others)}) == 5
    assert both.select([0, 1, 2]).content_hash() == both.content_hash()  # read from the sources anew
    again = joined("y", [both.select([2]), here])
    assert [again.source.read(path) for path in again.paths] == [b"a.jpg", b"a.jpg", b"c.jpg"]
