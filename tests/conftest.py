"""A tiny text-image encoder and a tiny folder of images, made on the spot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from anchorline import Encoder, Suite, load_encoder
from tests.helpers.tiny import COLOURS, PREPARED, TINY, write_images


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-cells", action="store_true", help="every method over every family of encoders")


@pytest.fixture(scope="session", autouse=True)
def few_words() -> Iterator[None]:
    """Twelve thousand words take a text tower seconds, at each comparison."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("anchorline.detectors.on_text.nouns", lambda: tuple(f"word {i}" for i in range(40)))
        patch.setattr("anchorline.detectors.on_text.adjectives", lambda: tuple("abcdefgh"))
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
    config = {"model_cfg": TINY, "preprocess_cfg": PREPARED}
    (directory / "open_clip_config.json").write_text(json.dumps(config))
    return directory


@pytest.fixture(scope="session")
def tiny_encoder(tiny_directory: Path) -> Encoder:
    return load_encoder(f"local-dir:{tiny_directory}", "cpu")


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
