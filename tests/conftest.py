"""A tiny text-image encoder and a tiny folder of images, made on the spot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from anchorline import Encoder, Suite, load_encoder

TINY = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "patch_size": 8, "head_width": 16},
    "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 24, "heads": 2, "layers": 2},
}
COLOURS = {"blue": (30, 40, 220), "green": (30, 200, 40), "red": (220, 40, 30)}


@pytest.fixture(scope="session", autouse=True)
def few_words() -> Iterator[None]:
    """Ten thousand nouns take a text tower seconds, at each comparison."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("anchorline.detectors.on_text.nouns", lambda: tuple(f"word {i}" for i in range(40)))
        yield


@pytest.fixture(scope="session")
def tiny_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A local-dir: encoder with random weights, as open_clip writes one."""
    directory = tmp_path_factory.mktemp("tiny-clip")
    torch.manual_seed(1)
    model = open_clip.model.CLIP(**TINY)
    save_file(
        {k: v.contiguous() for k, v in model.state_dict().items()},
        directory / "open_clip_model.safetensors",
    )
    config = {"model_cfg": TINY, "preprocess_cfg": {"size": 32}}
    (directory / "open_clip_config.json").write_text(json.dumps(config))
    return directory


@pytest.fixture(scope="session")
def tiny_encoder(tiny_directory: Path) -> Encoder:
    return load_encoder(f"local-dir:{tiny_directory}", "cpu")


def write_images(folder: Path, colour: tuple[int, int, int], count: int, seed: int) -> None:
    """Noisy images of one colour."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for i in range(count):
        pixels = np.array(colour) + rng.normal(0, 40, (36, 40, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{i:02d}.png")


@pytest.fixture(scope="session")
def colour_folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train, test, dark (a shift that lacks a class) and grey (outliers)."""
    root = tmp_path_factory.mktemp("colours")
    for i, (name, colour) in enumerate(COLOURS.items()):
        write_images(root / "train" / name, colour, 12, i)
        write_images(root / "test" / name, colour, 8, 10 + i)
        if name != "red":
            dark = (colour[0] // 2, colour[1] // 2, colour[2] // 2)
            write_images(root / "dark" / name, dark, 5, 20 + i)
    write_images(root / "grey", (128, 128, 128), 9, 30)
    return root


@pytest.fixture(scope="session")
def colours(colour_folders: Path) -> Suite:
    return Suite.from_folders(
        colour_folders / "train",
        colour_folders / "test",
        shifts={"dark": colour_folders / "dark"},
        outliers={"grey": colour_folders / "grey"},
        name="colours",
    )


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the user's cache."""
    directory = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("ANCHORLINE_CACHE", str(directory))
    return directory
