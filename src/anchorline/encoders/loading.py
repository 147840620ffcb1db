"""Loads encoders: the bundled one, and any that open_clip can load."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import torch

from anchorline.encoders.captions import GENERAL_TEMPLATES
from anchorline.encoders.encoder import Encoder
from anchorline.engine.distributed import on_cpu
from anchorline.errors import UserError, close_names, first_line
from anchorline.suites.images.decode import Geometry

BUNDLED = "pictogram-clip"
_IN_BF16 = "@bf16"
_BUNDLED_DIR = Path(str(files("anchorline") / "data" / BUNDLED))


def load_encoder(name: str = BUNDLED, device: str | torch.device | None = None) -> Encoder:
    """Load an encoder by name.

    `pictogram-clip` is in the package. Else `MODEL:TAG` or `MODEL:FILE` (an open_clip architecture
    with pre-trained weights, by tag or file), `hf-hub:OWNER/NAME`, or `local-dir:DIR`. `MODEL`
    alone gives random weights, always the same ones, and a loud warning. With `@bf16` after any of
    these the image tower computes in bfloat16: faster where the hardware can, features differ in the third
    digit.

    Raises `UserError`, which says what was tried and what works offline.
    """
    try:
        # Each of several processes on one machine has a GPU of its own.
        own = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
        where = torch.device(device or ("cpu" if on_cpu() else own))
    except RuntimeError as error:
        raise UserError(f"unknown device {device!r}; give cpu, cuda, cuda:1 and so on") from error
    schema, architecture, weights = _parse(name.removesuffix(_IN_BF16))
    import open_clip  # takes seconds; commands that load no encoder need not wait

    tag = open_clip.get_pretrained_cfg(architecture, weights or "")
    with _quiet():
        try:
            with torch.random.fork_rng():
                torch.manual_seed(0)
                model = open_clip.create_model(
                    architecture,
                    pretrained=weights,
                    device=where,
                    # For ViT-B-32:openai and its like open_clip only warns that the activation is wrong.
                    force_quick_gelu=tag.get("quick_gelu", False),
                    require_pretrained=bool(schema or weights),
                    pretrained_text=False,  # no tower is pre-trained on its own, unseen
                )
            tokenizer = open_clip.get_tokenizer(architecture)
        # open_clip passes on whatever its sources raise; each means that this encoder is not to be had.
        except Exception as error:
            raise UserError(_explain(name, error)) from error
    config = open_clip.get_model_preprocess_cfg(model)
    random = not (schema or weights)
    if random:
        warnings.warn(
            f"{name} has RANDOM weights: good for tests and timing, worthless for everything else; "
            f"give {name}:TAG for pre-trained ones (anchorline encoders {name} lists the tags)",
            stacklevel=2,
        )
    size = config["size"]
    return Encoder(
        name=name,
        model=model.eval().requires_grad_(False),
        tokenizer=tokenizer,
        architecture=json.dumps(open_clip.get_model_config(architecture), sort_keys=True),
        geometry=Geometry(
            size=(size, size) if isinstance(size, int) else (size[0], size[1]),
            resize=config["resize_mode"],
            interpolation=config["interpolation"],
            fill=config["fill_color"],
        ),
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        templates=_templates(architecture),
        random=random,
        device=where,
        in_bf16=name.endswith(_IN_BF16),
    )


def _parse(name: str) -> tuple[str, str, str | None]:
    """schema ("" for an open_clip architecture), what open_clip calls it, weights."""
    import open_clip

    if name == BUNDLED:
        return "local-dir", f"local-dir:{_BUNDLED_DIR}", None
    schema, colon, rest = name.partition(":")
    if colon and schema in ("hf-hub", "local-dir"):
        if schema == "local-dir" and not (Path(rest) / "open_clip_config.json").is_file():
            raise UserError(
                f"{name}: {rest or 'the empty path'} holds no open_clip_config.json; "
                "give a directory as open_clip writes it (configuration and weights)"
            )
        return schema, name, None
    architecture = schema.replace("/", "-")  # ViT-B/32, as the papers write it
    if architecture not in open_clip.list_models():
        near = close_names(schema, [BUNDLED, *open_clip.list_models()])
        hint = f"; near it: {', '.join(near)}" if near else ""
        raise UserError(f"unknown encoder {name!r}{hint}; 'anchorline encoders' lists those that are known")
    if colon and not _is_file(rest):
        tags = open_clip.list_pretrained_tags_by_model(architecture)
        if rest not in tags:
            raise UserError(
                f"encoder {schema} has no pre-trained weights {rest!r}; "
                + (f"its tags are {', '.join(tags)}; or give a file" if tags else "give a file with weights")
            )
    return "", architecture, rest or None


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except OSError:  # too long for a path, or in a folder that may not be read
        return False


def _explain(name: str, error: Exception) -> str:
    offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") == "1" else ""
    return (
        f"encoder {name} could not be loaded{offline}: {first_line(error)}; "
        f"without a network these work: {BUNDLED}, local-dir:DIR, MODEL:FILE, and what the Hugging Face "
        "cache already holds"
    )


def _templates(architecture: str) -> tuple[str, ...]:
    """The encoder's own templates, if its directory names them."""
    if architecture.startswith("local-dir:"):
        config = Path(architecture.removeprefix("local-dir:")) / "open_clip_config.json"
        own = json.loads(config.read_text()).get("anchorline", {}).get("templates")
        if own:
            return tuple(own)
    return GENERAL_TEMPLATES


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
