"""The bundled suite keeps what its documentation promises."""

import hashlib
import io
import re
import tomllib
import zipfile
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anchorline import SUITES, Suite
from anchorline.evaluation.evaluators.accuracy import wilson
from anchorline.suites.bundled import FILE
from anchorline.suites.images.image_set import ImageSet

ARTISTS = Path(__file__).parents[2] / "scripts" / "pictograms" / "artists.toml"
ATTRIBUTION = FILE.with_name("ATTRIBUTION.md")
LEARNT = ("train", "val")


@pytest.fixture(scope="module")
def suite() -> Suite:
    return SUITES["pictograms"]()


@pytest.fixture(scope="module")
def sides() -> dict[str, dict[str, str]]:
    """side -> icon set -> artist."""
    if not ARTISTS.is_file():
        pytest.skip("the list of artists is in the repository only")
    listed = tomllib.loads(ARTISTS.read_text("utf-8"))
    return {
        side: {one: artist for artist, sets in listed[side].items() for one in sets}
        for side in ("train", "suite", "pretrain")
    }


def icon_sets(images: ImageSet) -> Counter[str]:
    """Icon set -> how many of the images it drew. Members are called SET--ICON.png."""
    found = [path.split("/")[-1].partition("--") for path in images.paths]
    assert all(middle for _, middle, _ in found)
    return Counter(name for name, _, _ in found)


def test_classes(suite):
    assert 60 <= len(suite.classes) <= 100
    assert suite.classes == tuple(sorted(suite.classes))
    for name in suite.classes:
        assert re.fullmatch("[a-z0-9]+( [a-z0-9]+)*", name), name
    for images in (suite.train, suite.val, suite.test):
        assert images.columns is None  # every class is learnt, chosen on and measured


def test_labels_are_the_folders(suite):
    for name, images in suite.sets().items():
        assert images.name == name
        if name in suite.outliers:
            assert images.labels is None
            continue
        folders = [path.split("/")[-2] for path in images.paths]
        assert [suite.classes[label] for label in images.labels] == folders
        held = sorted(set(images.labels.tolist()))
        assert held == list(images.columns or range(len(suite.classes)))
    for name, images in suite.shifts.items():
        outputs = [note for note in suite.notes if f"'{name}'" in note]
        assert len(outputs) == (images.columns is not None)


def test_few_images_a_class_to_learn_from(suite):
    both = np.concatenate([suite.train.labels, suite.val.labels])
    assert np.bincount(both).max() <= 32


def test_test_is_large_enough(suite):
    n = len(suite.test)
    low, high = wilson(round(0.85 * n), n)
    assert high - low <= 0.04  # ±2 points


def test_outlier_sets_are_large_enough(suite):
    assert len(suite.outliers) >= 3
    assert all(len(images) >= 300 for images in suite.outliers.values())


def test_the_shifts_are_more_than_a_handful(suite):
    assert len(suite.shifts) >= 4
    for images in suite.shifts.values():
        assert len(images) >= 100
        assert len(images.columns or suite.classes) >= 20


def test_no_icon_set_is_on_both_sides(suite):
    own = set().union(*(icon_sets(suite.sets()[name]) for name in LEARNT))
    for name, images in suite.sets().items():
        if name not in LEARNT:
            assert not own & set(icon_sets(images)), name


def test_no_artist_is_on_two_sides(suite, sides):
    listed = [one for sets in sides.values() for one in sets]
    assert len(listed) == len(set(listed))
    artists = {side: set(sets.values()) for side, sets in sides.items()}
    assert not artists["train"] & artists["suite"]
    assert not artists["pretrain"] & (artists["train"] | artists["suite"])
    assert len(artists["train"]) <= 4
    for name, images in suite.sets().items():
        side = sides["train" if name in LEARNT else "suite"]
        assert set(icon_sets(images)) <= set(side), name
        assert not set(icon_sets(images)) & set(sides["pretrain"]), name


def test_images_are_64_pixels_square_and_in_one_set_only(suite):
    where: dict[bytes, set[str]] = defaultdict(set)
    for name, images in suite.sets().items():
        for path in images.paths:
            image = Image.open(io.BytesIO(images.source.read(path)))
            assert image.size == (64, 64), path
            pixels = image.convert("RGB").tobytes()
            assert np.frombuffer(pixels, np.uint8).min() < 160, f"{path} is all but blank"
            where[hashlib.sha256(pixels).digest()].add(name)
    assert [names for names in where.values() if len(names) > 1] == []


def test_the_archive_is_small_and_holds_nothing_else(suite):
    assert FILE.stat().st_size <= 15e6
    with zipfile.ZipFile(FILE) as archive:
        members = archive.namelist()
    paths = [path for images in suite.sets().values() for path in images.paths]
    assert sorted(paths) == sorted(members)
    assert len(members) == len(set(members))


def test_every_icon_set_is_attributed(suite):
    """Icon sets have titles there and short names here, so they are matched by their counts."""
    ours: dict[str, dict[str, int]] = defaultdict(dict)
    for name, images in suite.sets().items():
        for icon_set, count in icon_sets(images).items():
            ours[icon_set][name] = count
    theirs = []
    for line in ATTRIBUTION.read_text("utf-8").splitlines():
        if line.startswith("| ["):
            title, author, licence, count, sets = (cell.strip() for cell in line.strip("| ").split(" | "))
            assert re.match(r"\[.+\]\(https://.+\)", title), line
            assert re.match(r"\[.+\]\((https://.+)?\)", licence), line
            assert author
            counts = dict(part.rsplit(" ", 1) for part in sets.split(", "))
            theirs.append({name: int(n) for name, n in counts.items()})
            assert sum(theirs[-1].values()) == int(count)

    def ordered(rows) -> list[list[tuple[str, int]]]:
        return sorted(sorted(row.items()) for row in rows)

    assert ordered(theirs) == ordered(ours.values())
