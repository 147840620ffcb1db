"""Loads encoders: the bundled one, and any that open_clip can load."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from anchorline.encoders.captions import GENERAL_TEMPLATES
from anchorline.encoders.encoder import Encoder
from anchorline.encoders.naming import BUNDLED, IN_BF16, Source, parse
from anchorline.encoders.preprocessing import Preparation, check_settings, preparation_of
from anchorline.encoders.strided import guard_strided
from anchorline.encoders.tokenizers import check_tokenizer
from anchorline.encoders.weights import check_numbers, load_weights
from anchorline.engine.distributed import on_cpu
from anchorline.errors import UserError, first_line
from anchorline.suites.images.decode import Geometry

__all__ = ["BUNDLED", "load_encoder"]


def load_encoder(name: str = BUNDLED, device: str | torch.device | None = None) -> Encoder:
    """Load an encoder by name.

    `pictogram-clip` is in the package. Else `MODEL:TAG` or `MODEL:FILE` (an open_clip architecture
    with pre-trained weights, by tag or file; `MODEL:TAG=FILE` where they were trained from those of a tag),
    `hf-hub:OWNER/NAME`, or `local-dir:DIR`. `MODEL` alone gives random weights, always the same ones, and a
    loud warning. With `@bf16` after any of these the image tower computes in bfloat16: faster where the
    hardware can, features differ in the third digit.

    Warns where the name leaves open how images are prepared. Raises `UserError`, which says what was tried
    and what works offline.
    """
    where = _device(device)
    source = parse(name.removesuffix(IN_BF16))
    import open_clip  # takes seconds; commands that load no encoder need not wait

    prepared = preparation_of(source)
    with _quiet():
        try:
            model, notes = _model(source, prepared, where)
            tokenizer = open_clip.get_tokenizer(source.model)
        except UserError as error:
            raise UserError(f"encoder {name} could not be loaded: {error}") from error
        # open_clip passes on whatever its sources raise; each means that this encoder is not to be had.
        except Exception as error:
            raise UserError(_explain(source, error)) from error
    check_numbers(model, f"encoder {name}")
    check_tokenizer(tokenizer, f"encoder {name}")
    guard_strided(model)
    config = open_clip.get_model_preprocess_cfg(model)
    check_settings(name, config)
    if source.random:
        warnings.warn(
            f"{name} has RANDOM weights: good for tests and timing, worthless for everything else; "
            f"give {name}:TAG for pre-trained ones (anchorline encoders {name} lists the tags)",
            stacklevel=2,
        )
    for note in (*prepared.notes, *notes):
        warnings.warn(note, stacklevel=2)
    size = config["size"]
    return Encoder(
        name=name,
        model=model.eval().requires_grad_(False),
        tokenizer=tokenizer,
        architecture=json.dumps(open_clip.get_model_config(source.model), sort_keys=True),
        geometry=Geometry(
            size=(size, size) if isinstance(size, int) else (size[0], size[1]),
            resize=config["resize_mode"],
            interpolation=config["interpolation"],
            fill=config["fill_color"],
        ),
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        templates=_templates(source),
        random=source.random,
        device=where,
        in_bf16=name.endswith(IN_BF16),
    )


def _device(given: str | torch.device | None) -> torch.device:
    # Each of several processes on one machine has a GPU of its own.
    own = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
    try:
        where = torch.device(given or ("cpu" if on_cpu() else own))
    except RuntimeError as error:
        raise UserError(f"unknown device {given!r}; give cpu, cuda, cuda:1 and so on") from error
    try:
        torch.empty(0, device=where)
    except Exception as error:  # whatever a driver raises that is not there
        raise UserError(
            f"the device {where} cannot be used ({first_line(error)}); give another, such as cpu"
        ) from error
    return where


def _model(source: Source, prepared: Preparation, device: torch.device) -> tuple[nn.Module, tuple[str, ...]]:
    """The model with its weights, and sentences on what was done to them."""
    import open_clip

    options: dict[str, Any] = {
        "device": device,
        "force_quick_gelu": prepared.quick_gelu,
        "force_preprocess_cfg": prepared.settings,
        "pretrained_text": False,  # no tower is pre-trained on its own, unseen
    }
    here = source.directory or source.file
    if not here:  # the rest is open_clip's to fetch
        options |= {"pretrained": source.tag or None, "require_pretrained": not source.random}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model: nn.Module = open_clip.create_model(source.model, load_weights=not here, **options)
    return model, load_weights(model, source) if here else ()


def _explain(source: Source, error: Exception) -> str:
    name = source.name
    if source.directory:
        return (
            f"encoder {name} could not be loaded: {first_line(error)}; look at the open_clip_config.json and "
            f"the tokenizer's files in {source.directory}"
        )
    offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") == "1" else ""
    return (
        f"encoder {name} could not be loaded{offline}: {first_line(error)}; "
        f"without a network these work: {BUNDLED}, local-dir:DIR, MODEL:FILE, and what the Hugging Face "
        "cache already holds"
    )


def _templates(source: Source) -> tuple[str, ...]:
    """The encoder's own templates, if its directory names them. Raises `UserError`."""
    if source.directory is None:
        return GENERAL_TEMPLATES
    config = json.loads((source.directory / "open_clip_config.json").read_text(encoding="utf-8"))
    ours = config.get("anchorline", {})
    own = ours.get("templates", []) if isinstance(ours, dict) else ours
    if not isinstance(own, list) or not all(isinstance(one, str) and "{}" in one for one in own):
        raise UserError(
            f"{source.name}: anchorline.templates of its open_clip_config.json is {own!r}; give a list of "
            'captions, each with {} for the class, such as ["a photo of a {}"]'
        )
    return tuple(own) or GENERAL_TEMPLATES


@contextmanager
def _quiet() -> Iterator[None]:
    """open_clip logs what we say ourselves."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.disable(before)
