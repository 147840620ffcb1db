"""Corruptions: the library's own pixels, the same in every order and process, kept like any others."""

import sys
from dataclasses import replace
from pathlib import Path

import imagecorruptions
import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchorline import FeatureStore, Suite, UserError
from anchorline.suites.images import corruptions
from anchorline.suites.images import pixels as pixels_module
from anchorline.suites.images.corruptions import (
    CORRUPTIONS,
    GROUPS,
    SEVERITIES,
    _corrupt_batch,
    corrupt,
    parse_corruptions,
    seed_of,
)
from anchorline.suites.images.decode import Geometry, decode
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.images.pixels import CorruptedPixels

SQUARE = Geometry((64, 64))


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """Six smooth pictures with edges, [6, 48, 64, 3]."""
    y, x = np.mgrid[:48, :64] / 64
    pictures = [
        np.stack([np.sin(7 * x * i), np.cos(9 * y + i), np.sign(np.sin(12 * (x + y)))], -1)
        for i in range(1, 7)
    ]
    return (128 + 90 * np.stack(pictures)).astype(np.uint8)


def test_the_names_are_the_librarys_in_the_papers_order():
    assert list(CORRUPTIONS) == imagecorruptions.get_corruption_names("common")
    assert {group: list(names) for group, names in GROUPS.items()} == {
        group: imagecorruptions.get_corruption_names(group) for group in GROUPS
    }


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_equals_the_librarys_own_function_with_the_same_seed(pixels, name):
    for row, image in zip(corrupt(pixels[:2], name, 4), pixels, strict=False):
        seed = seed_of(image, name, 4)
        np.random.seed(seed)
        own = {"seed": seed} if name in ("glass_blur", "impulse_noise") else {}
        np.testing.assert_array_equal(row, imagecorruptions.corrupt(image, 4, name, **own))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_an_image_is_corrupted_alike_alone_and_anywhere_in_a_set(pixels, name):
    together = corrupt(pixels[:3], name, 3)
    assert together.dtype == np.uint8
    assert together.shape == pixels[:3].shape
    assert (together != pixels[:3]).any(axis=(1, 2, 3)).all()
    np.random.seed(5)  # what was drawn before must not matter
    np.testing.assert_array_equal(corrupt(pixels[2:0:-1], name, 3), together[2:0:-1])
    np.testing.assert_array_equal(corrupt(pixels[1:2], name, 3), together[1:2])


def test_each_image_corruption_and_severity_has_its_own_seed(pixels):
    seeds = {seed_of(image, *of) for image in pixels for of in parse_corruptions(["all"])}
    assert len(seeds) == 6 * 75
    assert max(seeds) < 2**32


def test_the_number_of_processes_does_not_matter(pixels, monkeypatch):
    monkeypatch.setattr(corruptions, "_BATCH", 2)
    calls = []
    alone = corrupt(pixels[:5], "gaussian_noise", 1, processes=1, progress=lambda *call: calls.append(call))
    np.testing.assert_array_equal(corrupt(pixels[:5], "gaussian_noise", 1, processes=2), alone)
    assert calls == [(2, 5), (4, 5), (5, 5)]


def test_many_images_go_to_other_processes(pixels, monkeypatch):
    asked = []

    class Here:
        def __init__(self, n_jobs, **_):
            asked.append(n_jobs)

        def __call__(self, jobs):
            return (work(*arguments, **named) for work, arguments, named in jobs)

    monkeypatch.setattr(joblib, "Parallel", Here)
    monkeypatch.setattr(joblib, "cpu_count", lambda: 7)
    many = np.concatenate([pixels] * 80)  # 4.4 MB
    np.testing.assert_array_equal(corrupt(many, "contrast", 1)[-6:], corrupt(pixels, "contrast", 1))
    assert asked == [7]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_severity_five_is_worse_than_one(pixels, name):
    change = [np.abs(corrupt(pixels, name, severity).astype(float) - pixels).mean() for severity in (1, 5)]
    assert change[1] > 1.1 * change[0] > 0


@pytest.mark.parametrize("name", ["gaussian_noise", "shot_noise", "impulse_noise", "contrast", "brightness"])
def test_each_severity_is_worse_than_the_last(pixels, name):
    change = [
        np.abs(corrupt(pixels, name, severity).astype(float) - pixels).mean() for severity in SEVERITIES
    ]
    assert change == sorted(set(change))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_callers_random_numbers_go_on_as_if_nothing_had_been(pixels, name):
    np.random.seed(3)
    expected = np.random.random(4)
    np.random.seed(3)
    corrupt(pixels[:1], name, 2)
    np.testing.assert_array_equal(np.random.random(4), expected)


def test_the_random_state_comes_back_after_an_error(pixels, monkeypatch):
    def fails(*_, **__):
        np.random.random()
        raise KeyboardInterrupt

    monkeypatch.setattr(imagecorruptions, "corrupt", fails)
    np.random.seed(3)
    with pytest.raises(KeyboardInterrupt):
        _corrupt_batch(pixels, "fog", 1)
    after = np.random.random()
    np.random.seed(3)
    assert np.random.random() == after


@pytest.mark.parametrize("size", [(32, 32), (33, 57), (130, 32)])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_any_size_from_32_pixels(name, size, capfd):
    image = np.random.default_rng(0).integers(0, 255, (1, *size, 3), np.uint8)
    assert corrupt(image, name, 5).shape == image.shape
    assert capfd.readouterr() == ("", "")


def test_too_small_or_not_installed_is_a_sentence(pixels, monkeypatch):
    with pytest.raises(UserError, match="32 x 32 pixels or more, and the encoder takes 31 x 64;"):
        corrupt(pixels[:, :31], "fog", 1)
    monkeypatch.setitem(sys.modules, "imagecorruptions", None)
    with pytest.raises(UserError, match=r"pip install 'anchorline\[eval\]'"):
        corrupt(pixels, "fog", 1)


def test_what_a_user_writes():
    assert parse_corruptions(["fog"]) == [("fog", severity) for severity in SEVERITIES]
    assert parse_corruptions(["fog/3", " snow/1", "fog/3"]) == [("snow", 1), ("fog", 3)]
    assert parse_corruptions(["noise"], [2]) == [(name, 2) for name in GROUPS["noise"]]
    assert parse_corruptions(["digital/5", "fog"], [1]) == [("fog", 1)] + [(n, 5) for n in GROUPS["digital"]]
    assert len(parse_corruptions(["all"])) == len(parse_corruptions(["all", "blur"])) == 75
    assert parse_corruptions([]) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fogg", "no corruption 'fogg' (the nearest known: 'fog'"),
        ("Noise", "the nearest known: 'noise'"),
        ("jpeg", "no corruption 'jpeg'"),
        ("fog/6", "the severity 6 of fog does not exist; give one from 1 to 5"),
        ("fog/0", "the severity 0 of fog"),
        ("fog/", "'fog/' is no corruption; write NAME or NAME/SEVERITY"),
        ("fog/x", "'fog/x' is no corruption"),
        ("", "no corruption ''"),
    ],
)
def test_what_a_user_gets_wrong(text, message):
    with pytest.raises(UserError) as error:
        parse_corruptions([text])
    assert message in str(error.value)


@given(st.lists(st.sampled_from([*CORRUPTIONS, *GROUPS, "all", "fog/2", "blur/4"])))
def test_order_and_repetition_of_the_words_do_not_matter(words):
    assert parse_corruptions(words) == parse_corruptions([*reversed(words), *words])


def test_a_corrupted_set_is_the_test_set_by_another_name_and_hash(colours: Suite):
    pairs = parse_corruptions(["fog", "snow/2"], [1, 3])
    assert pairs == [("snow", 2), ("fog", 1), ("fog", 3)]
    sets = {f"{name}/{severity}": colours.test.corrupted(name, severity) for name, severity in pairs}
    assert list(sets) == [images.name for images in sets.values()]
    clean = colours.test.content_hash()
    hashes = {images.content_hash() for images in sets.values()}
    assert len(hashes | {clean}) == 4
    assert all(images.clean.content_hash() == clean for images in sets.values())
    one = sets["fog/3"]
    assert one.labels is colours.test.labels
    assert one.paths == colours.test.paths
    assert one.content_hash() == colours.test.corrupted("fog", 3).content_hash()
    part = one.select([2, 0])
    assert part.content_hash() == colours.test.select([2, 0]).corrupted("fog", 3).content_hash()
    assert part.content_hash() not in hashes
    with pytest.raises(UserError, match="nearest known: 'fog'"):
        colours.test.corrupted("frog", 3)


def test_75_sets_read_the_files_once(colours: Suite, monkeypatch):
    reads = []
    monkeypatch.setattr(ImageSet, "_digest", lambda self, index: reads.append(index) or b"")
    suite = replace(colours, test=colours.test.select(range(len(colours.test))))
    every = [suite.test.corrupted(*pair) for pair in parse_corruptions(["all"])]
    assert len({images.content_hash() for images in every}) == 75
    assert len(reads) == len(suite.test)


@pytest.fixture
def counted(monkeypatch) -> list[tuple[str, int]]:
    """What was really corrupted."""
    done: list[tuple[str, int]] = []

    def counting(pixels, name, severity, **options):
        done.append((name, severity))
        return corrupt(pixels, name, severity, **options)

    monkeypatch.setattr(pixels_module, "corrupt", counting)
    return done


def test_the_store_gives_corrupted_pixels_and_keeps_them(colours: Suite, counted):
    fog, snow = colours.test.corrupted("fog", 3), colours.test.corrupted("snow", 2)
    store = FeatureStore()
    clean, _ = decode(colours.test, SQUARE)
    for _ in range(2):
        for images, name, severity in ((fog, "fog", 3), (snow, "snow", 2)):
            found, bad = store.pixels(SQUARE, images)
            np.testing.assert_array_equal(found, corrupt(clean, name, severity))
            assert bad == ()
            assert isinstance(found, np.memmap)  # not in memory
    assert len(store.pixels._decoded) == 1  # the clean ones, shared
    np.testing.assert_array_equal(
        store.elsewhere(Path("/nowhere")).pixels(SQUARE, fog)[0][:1], corrupt(clean[:1], "fog", 3)
    )
    FeatureStore().pixels(SQUARE, fog)  # another run
    assert counted == [("fog", 3), ("snow", 2)]
    store.pixels(Geometry((48, 48)), fog)
    assert counted[2:] == [("fog", 3)]


def test_features_of_a_corrupted_set_have_their_own_file(tiny_encoder, colours: Suite):
    store, fog = FeatureStore(), colours.test.corrupted("fog", 5)
    clean, foggy = store.images(tiny_encoder, colours.test), store.images(tiny_encoder, fog)
    expected = tiny_encoder.encode_images(corrupt(decode(colours.test, tiny_encoder.geometry)[0], "fog", 5))
    np.testing.assert_array_equal(foggy.vectors, expected)
    assert not np.array_equal(clean.vectors, foggy.vectors)
    assert np.array_equal(store.images(tiny_encoder, fog).vectors, foggy.vectors)
    assert len(list((store.directory / "images").iterdir())) == 2


def test_unreadable_images_have_no_row(colours: Suite, tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.png").write_bytes(
            colours.test.source.read(colours.test.paths[i]) if i != 1 else b""
        )
    images = ImageSet("x", type(colours.test.source)(tmp_path), ("0.png", "1.png", "2.png"))
    found, bad = FeatureStore().pixels(SQUARE, images.corrupted("contrast", 1))
    assert [one.index for one in bad] == [1]
    assert len(found) == 2


def cache(directory: Path, **limits) -> CorruptedPixels:
    return CorruptedPixels(directory, **limits)


def test_room_on_disk_is_made_by_what_this_run_does_not_use(pixels, tmp_path, counted):
    size = pixels.nbytes + 1000  # with the head of the file
    old = cache(tmp_path)
    for severity in (1, 2):
        old.of(pixels, "contrast", severity, "key")
    new = cache(tmp_path, disk_limit=2 * size)
    for _ in range(2):
        for severity in (2, 3, 4):
            np.testing.assert_array_equal(
                new.of(pixels, "contrast", severity, "key"), corrupt(pixels, "contrast", severity)
            )
    # 2 was there, 3 took the place of 1, and there was no room for 4.
    assert [severity for _, severity in counted] == [1, 2, 3, 4, 4]
    assert len(list(tmp_path.iterdir())) == 2
    assert not isinstance(new.of(pixels, "contrast", 4, "key"), np.memmap)
    assert len(counted) == 5


def test_a_set_larger_than_the_limit_drives_no_file_out(pixels, tmp_path):
    cache(tmp_path).of(pixels, "contrast", 1, "key")
    cache(tmp_path, disk_limit=pixels.nbytes - 1).of(pixels, "contrast", 2, "key")
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("how", ["cut off", "empty", "zeros", "other"])
def test_a_damaged_file_is_made_again(pixels, tmp_path, counted, how):
    cache(tmp_path).of(pixels, "contrast", 1, "key")
    (file,) = tmp_path.iterdir()
    data = file.read_bytes()
    if how == "other":
        np.save(file, np.zeros(3))
    else:
        file.write_bytes({"cut off": data[:-9], "empty": b"", "zeros": bytes(len(data))}[how])
    for _ in range(2):
        np.testing.assert_array_equal(
            cache(tmp_path).of(pixels, "contrast", 1, "key"), corrupt(pixels, "contrast", 1)
        )
    assert len(counted) == 2


def test_without_a_place_to_write_it_goes_on(pixels, tmp_path):
    (tmp_path / "file").touch()
    found = cache(tmp_path / "file").of(pixels, "contrast", 1, "key")
    np.testing.assert_array_equal(found, corrupt(pixels, "contrast", 1))
