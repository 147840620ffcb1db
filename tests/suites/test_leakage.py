"""The leakage check: it finds what stands in two sets, and does not cry wolf."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anchorline import FeatureStore, Suite
from anchorline.suites import pictograms
from anchorline.suites.images.decode import Geometry, decode
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.images.sources import Folder
from anchorline.suites.leakage import Duplicate, Member, _near, duplicates, fingerprints, notes_on

GEOMETRY = Geometry((64, 64))


def picture(seed: int) -> Image.Image:
    """A picture of soft spots, with all lengths of waves in it."""
    spots = np.random.default_rng(seed).integers(0, 256, (20, 20, 3), np.uint8)
    return Image.fromarray(spots).resize((120, 120), Image.Resampling.BICUBIC)


def data(image: Image.Image, kind: str = "PNG", **options: int) -> bytes:
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def image_set(root: Path, name: str, files: dict[str, bytes], labels: list[int] | None = None) -> ImageSet:
    (root / name).mkdir()
    for path, content in files.items():
        (root / name / path).write_bytes(content)
    numbers = None if labels is None else np.array(labels, np.int64)
    return ImageSet(name, Folder(root / name), tuple(files), numbers)


@pytest.fixture
def suite(tmp_path) -> Suite:
    """Pictures 0 to 9; some in two sets, some under two labels."""
    p = {seed: data(picture(seed)) for seed in range(10)}
    again = data(picture(3), "BMP")  # the same pixels in another file
    nearly = data(picture(2), "JPEG", quality=80)
    train = {"0.png": p[0], "1.png": p[1], "2.png": p[2], "3.png": p[3], "0b.png": p[0]}
    return Suite(
        "s",
        ("a", "b"),
        image_set(tmp_path, "train", train, [0, 0, 1, 1, 1]),
        image_set(tmp_path, "val", {"4.png": p[4], "1v.png": p[1]}, [0, 1]),
        image_set(
            tmp_path, "test", {"5.png": p[5], "3t.bmp": again, "0t.png": p[0], "6.png": p[6]}, [0, 1, 0, 1]
        ),
        {"look": image_set(tmp_path, "look", {"2l.jpg": nearly, "5l.png": p[5]}, [1, 0])},
        {"others": image_set(tmp_path, "others", {"7.png": p[7], "6o.png": p[6]})},
    )


def seen(found: list[Duplicate]) -> list[tuple[str, str, str]]:
    return [(f"{d.first.set}/{d.first.path}", f"{d.second.set}/{d.second.path}", d.how) for d in found]


FILES = [
    ("train/0.png", "test/0t.png", "file"),
    ("train/0.png", "train/0b.png", "file"),
    ("train/1.png", "val/1v.png", "file"),
    ("test/5.png", "look/5l.png", "file"),
    ("test/6.png", "others/6o.png", "file"),
]


def look(images: ImageSet) -> np.ndarray:
    return fingerprints(decode(images, GEOMETRY)[0])


def test_files_alone(suite):
    assert seen(duplicates(suite)) == FILES


def test_pixels_and_near_duplicates_too(suite):
    found = duplicates(suite, look)
    leaks = [("train/3.png", "test/3t.bmp", "pixels"), ("train/2.png", "look/2l.jpg", "near")]
    # Leaks first, by set and path; the rest as it was, since a file is the surest way to be one.
    assert seen(found) == [FILES[0], *leaks, *FILES[1:]]
    assert [d.leaks for d in found] == [True] * 3 + [False] * 4
    assert [d.conflicts for d in found] == [False] * 3 + [True] * 2 + [False] * 2
    assert found[0].first == Member("train", "0.png", 0)
    assert found[-1].second == Member("others", "6o.png", None)


def test_the_notes_are_a_line_for_each_two_sets(suite):
    assert notes_on(duplicates(suite, look)) == [
        "2 images of test are also in train: 0t.png = 0.png, 3t.bmp = 3.png",
        "1 image of look is nearly the same in train: 2l.jpg = 2.png",
        "1 image of train is in train under another class: 0b.png = 0.png",
        "1 image of val is in train under another class: 1v.png = 1.png",
        "1 image of look is also in test: 5l.png = 5.png",
        "1 image of others is also in test: 6o.png = 6.png",
    ]
    assert notes_on([]) == []


def test_many_copies_are_named_once_each_and_a_note_stays_short(tmp_path, suite):
    same = data(picture(0))
    many = image_set(tmp_path, "many", {f"{i}.png": same for i in range(50)}, [0] * 50)
    found = duplicates(replace(suite, shifts={"many": many}))
    of_many = [d for d in found if d.second.set == "many"]
    assert len(of_many) == 100  # each of them with train and with test
    assert "50 images of many are also in train: 0.png = 0.png, 1.png = 0.png, 10.png = 0.png, 47 more" in (
        notes_on(found)
    )


def test_unreadable_files_are_no_duplicates_of_each_other(tmp_path, suite):
    gone = replace(suite.val, paths=("gone.png", "away.png"))
    assert not [d for d in duplicates(replace(suite, val=gone)) if "val" in (d.first.set, d.second.set)]


def test_empty_sets_are_passed_over(suite):
    none = suite.train.select([])
    found = duplicates(replace(suite, train=none, val=none), look)
    assert seen(found) == FILES[-2:]
    assert fingerprints(np.zeros((0, 64, 64, 3), np.uint8)).shape == (0, 48)


def bits(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.unpackbits(one[16:] ^ other[16:]).sum())


def test_the_perceptual_hash_bears_saving_and_scaling_and_tells_pictures_apart(tmp_path):
    base = {f"{i}.png": data(picture(i)) for i in range(8)}
    own = look(image_set(tmp_path, "base", base))
    for name, change in {
        "jpeg": lambda image: data(image, "JPEG", quality=60),
        "small": lambda image: data(image.resize((84, 84), Image.Resampling.BICUBIC)),
        "bright": lambda image: data(image.point(lambda level: level * 0.9)),
    }.items():
        changed = look(image_set(tmp_path, name, {f"{i}.png": change(picture(i)) for i in range(8)}))
        assert all(bits(a, b) <= 8 for a, b in zip(own, changed, strict=True)), name
        assert all((a[:16] != b[:16]).any() for a, b in zip(own, changed, strict=True)), name
    assert min(bits(own[i], own[j]) for i in range(8) for j in range(i)) > 60


def test_near_equals_the_plain_search(monkeypatch):
    monkeypatch.setattr("anchorline.suites.leakage._ROWS", 7)
    rng = np.random.default_rng(0)
    ours = rng.integers(0, 256, (20, 32), np.uint8)
    theirs = rng.integers(0, 256, (30, 32), np.uint8)
    for row, (source, changed) in enumerate([(3, 0), (19, 8), (8, 9), (0, 5)]):
        spoilt = np.unpackbits(ours[source])
        spoilt[rng.choice(256, changed, replace=False)] ^= 1
        theirs[9 * row] = np.packbits(spoilt)
    assert list(_near(ours, theirs)) == [(3, 0), (19, 9), (0, 27)]


def test_the_store_keeps_fingerprints(suite, monkeypatch):
    store = FeatureStore()
    first = store.fingerprints(GEOMETRY, suite.test)
    np.testing.assert_array_equal(first, look(suite.test))
    monkeypatch.setattr("anchorline.suites.images.pixels.decode", None)
    again = FeatureStore()
    np.testing.assert_array_equal(again.fingerprints(GEOMETRY, suite.test), first)


def test_the_bundled_suite_holds_no_image_twice_across_its_sets():
    assert duplicates(pictograms()) == []
