import gc
import io
import struct
import tempfile
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from anchorline.errors import UserError
from anchorline.suites.images import decode as module
from anchorline.suites.images.decode import Geometry, decode, decode_image
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.images.rgb import UnreadableError
from anchorline.suites.images.sources import Folder

SQUASH = Geometry((8, 8), "squash", "bilinear")


def photo(width: int, height: int, seed: int = 0) -> Image.Image:
    """Smooth colours with noise: every step of a resize shows in it."""
    y, x = np.mgrid[:height, :width] / max(width, height)
    rng = np.random.default_rng(seed)
    waves = np.stack([np.sin(9 * x), np.cos(7 * y), np.sin(5 * (x + y))], axis=-1)
    noisy = 128 + 90 * waves + rng.normal(0, 20, waves.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def encode(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def colour(data: bytes) -> list[int]:
    """The one colour of an image of one colour."""
    pixels = decode_image(data, SQUASH).reshape(-1, 3)
    assert (pixels == pixels[0]).all()
    return pixels[0].tolist()


def image_set(root: Path, files: dict[str, bytes]) -> ImageSet:
    for name, data in files.items():
        (root / name).write_bytes(data)
    return ImageSet("test", Folder(root), tuple(files), np.arange(len(files)))


@pytest.mark.parametrize("resize", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(32, 32), (40, 24)])
def test_equals_open_clip_to_the_byte(tmp_path, resize, interpolation, size):
    shapes = [(100, 75), (75, 101), (33, 33), (20, 13), (400, 31), (32, 32), (1000, 750), (1, 1)]
    files = {f"{i}.png": encode(photo(*s, seed=i), "PNG") for i, s in enumerate(shapes)}
    files["big.jpg"] = encode(photo(1200, 801), "JPEG")  # large enough for JPEG's draft mode
    config = PreprocessCfg(
        size, mean=(0, 0, 0), std=(1, 1, 1), interpolation=interpolation,
        resize_mode=resize, fill_color=127,
    )  # fmt: skip
    theirs = image_transform_v2(config, is_train=False)
    pixels, bad = decode(image_set(tmp_path, files), Geometry(size, resize, interpolation, 127))
    assert not bad
    assert pixels.dtype == np.uint8
    for row, name in zip(pixels, files, strict=True):
        expected = theirs(Image.open(tmp_path / name)).permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(row, np.rint(expected * 255).astype(np.uint8), name)


def test_grey_modes():
    assert colour(encode(Image.new("L", (9, 9), 77), "PNG")) == [77] * 3
    assert colour(encode(Image.new("1", (9, 9), 1), "PNG")) == [255] * 3
    assert colour(encode(Image.new("1", (9, 9), 0), "TIFF")) == [0] * 3
    assert colour(encode(Image.new("LA", (9, 9), (77, 255)), "PNG")) == [77] * 3
    assert colour(encode(Image.new("LA", (9, 9), (77, 0)), "PNG")) == [255] * 3


@pytest.mark.parametrize(("deep", "shallow"), [(0, 0), (200, 1), (32896, 128), (65535, 255)])
def test_16_bits_are_scaled_not_clipped(deep, shallow):
    grey = Image.fromarray(np.full((9, 9), deep, np.uint16))
    assert grey.mode == "I;16"
    assert colour(encode(grey, "PNG")) == [shallow] * 3
    assert colour(encode(grey, "TIFF")) == [shallow] * 3
    big_endian = b"P5 2 2 65535 " + struct.pack(">4H", *[deep] * 4)
    assert colour(big_endian) == [shallow] * 3


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 128.0, 255.0], [0, 128, 255]),
        ([0.0, 32896.0, 65535.0], [0, 128, 255]),
        ([-1.0, 0.0, 1.0], [0, 128, 255]),
        ([-5.0, -5.0, -5.0], [0, 0, 0]),
        ([np.nan, 0.5, 1.0], [0, 128, 255]),
    ],
)
def test_float_tiff(values, expected):
    strip = Image.fromarray(np.repeat(np.array([values], np.float32), 3, axis=0))
    pixels = decode_image(encode(strip, "TIFF"), Geometry((3, 3), "squash"))
    assert pixels[0].tolist() == [[level] * 3 for level in expected]


def test_32_bit_integers():
    within = np.array([[0, 32896, 65535]] * 3, np.int32)
    beyond = np.array([[-(10**6), 0, 10**6]] * 3, np.int32)
    for values in (within, beyond):
        pixels = decode_image(encode(Image.fromarray(values), "TIFF"), Geometry((3, 3), "squash"))
        assert pixels[0, :, 0].tolist() == [0, 128, 255]


def test_cmyk_jpeg():
    red = colour(encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=100))
    np.testing.assert_allclose(red, [255, 0, 0], atol=6)


def test_palette_with_and_without_transparency():
    plain = Image.new("P", (9, 9), 3)
    plain.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 10, 20, 30])
    assert colour(encode(plain, "PNG")) == [10, 20, 30]
    assert colour(encode(plain, "GIF")) == [10, 20, 30]
    assert colour(encode(plain, "PNG", transparency=3)) == [255] * 3
    assert colour(encode(plain, "PNG", transparency=1)) == [10, 20, 30]
    assert colour(encode(plain, "PNG", transparency=bytes([0, 0, 0, 0]))) == [255] * 3


def test_transparency_lies_over_white():
    assert colour(encode(Image.new("RGBA", (9, 9), (200, 0, 0, 0)), "PNG")) == [255] * 3
    assert colour(encode(Image.new("RGBA", (9, 9), (200, 0, 0, 255)), "WEBP", lossless=True)) == [
        200, 0, 0,
    ]  # fmt: skip
    half = colour(encode(Image.new("RGBA", (9, 9), (0, 0, 0, 128)), "PNG"))
    np.testing.assert_allclose(half, [127] * 3, atol=1)
    keyed = encode(Image.new("RGB", (9, 9), (1, 2, 3)), "PNG", transparency=(1, 2, 3))
    assert colour(keyed) == [255] * 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation(orientation):
    upright = photo(48, 32)
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    whole = Geometry((32, 48), "squash")
    shown = decode_image(encode(stored, "PNG", exif=exif), whole)
    np.testing.assert_array_equal(shown, np.asarray(upright))


def test_broken_exif_does_not_spoil_a_good_picture(recwarn):
    data = encode(photo(48, 32), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f garbage")
    clean = encode(photo(48, 32), "JPEG")
    np.testing.assert_array_equal(decode_image(data, SQUASH), decode_image(clean, SQUASH))
    assert not recwarn.list


def test_first_frame_of_an_animation():
    frames = [Image.new("RGB", (9, 9), c) for c in ("red", "lime", "blue")]
    for kind in ("GIF", "PNG", "TIFF"):
        assert colour(encode(frames[0], kind, save_all=True, append_images=frames[1:])) == [
            255,
            0,
            0,
        ]


@pytest.mark.parametrize("resize", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (2, 65000)])
def test_extreme_shapes(resize, shape):
    data = encode(Image.new("RGB", shape, (9, 90, 200)), "PNG")
    pixels = decode_image(data, Geometry((224, 224), resize))
    assert pixels.shape == (224, 224, 3)
    middle = pixels[111:113, 111:113].reshape(-1, 3).tolist()  # "longest" may leave one line
    assert [9, 90, 200] in middle


def test_a_strip_shows_what_open_clip_would_show():
    strip = photo(1201, 3)
    config = PreprocessCfg((16, 16), mean=(0, 0, 0), std=(1, 1, 1))
    theirs = image_transform_v2(config, is_train=False)(strip).permute(1, 2, 0).numpy() * 255
    ours = decode_image(encode(strip, "PNG"), Geometry((16, 16)))
    np.testing.assert_allclose(ours, theirs, atol=12)


def truncated(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


def png_of_size(width: int, height: int) -> bytes:
    """A few bytes that claim to be an image of any size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    )  # fmt: skip


def test_all_bad_images_are_found_and_the_good_ones_keep_their_order(tmp_path, capfd, recwarn):
    good = [encode(Image.new("RGB", (9, 9), (level, 0, 0)), "PNG") for level in (1, 2, 3)]
    files = {
        "0.jpg": truncated(encode(photo(300, 300), "JPEG")),
        "1.png": good[0],
        "2.png": b"",
        "3.png": truncated(encode(photo(300, 300), "PNG")),
        "4.png": good[1],
        "5.jpg": b"GIF89a",
        "6.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "7.png": png_of_size(60000, 60000),
        "8.tif": truncated(encode(photo(300, 300), "TIFF")),
        "9.png": b"just text",
        "a.png": good[2],
    }
    images = image_set(tmp_path, files)
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    images = ImageSet("test", images.source, (*images.paths, "gone.png"))
    pixels, bad = decode(images, SQUASH)
    assert pixels[:, 0, 0, 0].tolist() == [1, 2, 3]
    assert [image.index for image in bad] == [0, 2, 3, 5, 6, 7, 8, 9, 11]
    reasons = {Path(image.where).name: image.reason for image in bad}
    assert reasons["2.png"] == "is empty"
    assert reasons["9.png"] == reasons["6.jpg"] == "is not an image that Pillow can open"
    assert "truncated" in reasons["0.jpg"]
    assert "178,956,970 pixels" in reasons["7.png"]
    assert "No such file" in reasons["gone.png"]
    assert bad[0].where == str(tmp_path / "0.jpg")
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


def test_between_the_bomb_limits_an_image_decodes_without_a_word(monkeypatch, recwarn):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 60)
    assert colour(encode(Image.new("RGB", (10, 10), (5, 6, 7)), "PNG")) == [5, 6, 7]
    with pytest.raises(UnreadableError, match="more than 120 pixels"):
        decode_image(encode(Image.new("RGB", (11, 11)), "PNG"), SQUASH)
    assert not recwarn.list
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert colour(encode(Image.new("RGB", (10, 10), (5, 6, 7)), "PNG")) == [5, 6, 7]


def test_the_memory_limit_moves_the_array_to_a_file_that_goes_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    source = tmp_path / "in"
    source.mkdir()
    images = image_set(source, {f"{i}.png": encode(photo(20, 20, i), "PNG") for i in range(3)})
    size = 3 * 8 * 8 * 3
    in_memory, _ = decode(images, SQUASH, memory_limit=size)
    on_disk, _ = decode(images, SQUASH, memory_limit=size - 1)
    assert not isinstance(in_memory, np.memmap)
    assert isinstance(on_disk, np.memmap)
    np.testing.assert_array_equal(on_disk, in_memory)
    del on_disk
    gc.collect()
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    maps = Path("/proc/self/maps")  # on Linux the file has no name from the start
    assert not maps.exists() or "anchorline-" not in maps.read_text()


def test_a_full_disk_is_reported_before_the_work(tmp_path, monkeypatch):
    usage = module.shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage)
    images = image_set(tmp_path, {"a.png": encode(photo(9, 9), "PNG")})
    with pytest.raises(UserError, match="TMPDIR"):
        decode(images, SQUASH, memory_limit=0)


def test_progress_counts_every_image_in_the_calling_thread(tmp_path):
    images = image_set(tmp_path, {"a.png": encode(photo(9, 9), "PNG"), "b.png": b""})
    calls = []
    decode(images, SQUASH, progress=lambda *c: calls.append((*c, threading.current_thread())))
    assert calls == [(i, 2, threading.main_thread()) for i in (1, 2)]


def test_one_broken_image():
    with pytest.raises(UnreadableError, match="is empty"):
        decode_image(b"", SQUASH)
