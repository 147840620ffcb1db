"""How images are prepared for an encoder, and which activation it has: what its weights were trained with."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from anchorline.encoders.naming import Source
from anchorline.errors import UserError

_FIELDS = ("mean", "std", "interpolation", "resize_mode")
_RESIZES = ("shortest", "longest", "squash")
_INTERPOLATIONS = ("bicubic", "bilinear", "random")  # the last one in training; open_clip then takes bicubic
_WORDS = {"resize_mode": "resize", "quick_gelu": "QuickGELU"}


@dataclass(frozen=True)
class Preparation:
    """What the weights do not say of themselves.

    Attributes:
        settings: of the preprocessing, in open_clip's words, where they are not those it would take.
        quick_gelu: whether the activation is to be QuickGELU whatever the architecture says.
        notes: sentences on what was decided for the user.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    quick_gelu: bool = False
    notes: tuple[str, ...] = ()


def preparation_of(source: Source) -> Preparation:
    """Settings come from the tag that is named, else from the directory or hub; those of a mere file are what
    all tags of its architecture agree on, and open_clip's defaults where they do not."""
    from open_clip import get_pretrained_cfg

    if source.directory:
        return Preparation(notes=_missing_from(source))
    if source.tag:
        trained = get_pretrained_cfg(source.model, source.tag)
        settings = {name: trained[name] for name in _FIELDS if name in trained}
        # For ViT-B-32:openai and its like open_clip only warns that the activation is wrong.
        return Preparation(settings, bool(trained.get("quick_gelu")))
    return _of_file(source) if source.file else Preparation()


def _of_file(source: Source) -> Preparation:
    from open_clip import get_model_config, get_pretrained_cfg, list_pretrained_tags_by_model
    from open_clip.transform import PreprocessCfg

    tags = list_pretrained_tags_by_model(source.model)
    default = {name: _plain(value) for name, value in asdict(PreprocessCfg()).items() if name in _FIELDS}
    default["quick_gelu"] = bool((get_model_config(source.model) or {}).get("quick_gelu"))
    trained = [_settings(get_pretrained_cfg(source.model, tag), default) for tag in tags]
    differing = [name for name in default if any(one[name] != trained[0][name] for one in trained)]
    agreed = {
        name: trained[0][name]
        for name in default
        if trained and name not in differing and trained[0][name] != default[name]
    }
    notes = []
    if agreed:
        notes.append(
            f"{source.name}: a file of weights does not say how images are prepared; {_said(agreed)} are "
            f"taken from the tags of {source.model}, which agree ({', '.join(tags)})"
        )
    if differing:
        taken = _said({name: default[name] for name in differing})
        notes.append(
            f"{source.name}: a file of weights does not say what it was trained with, and the tags of "
            f"{source.model} differ; taken: {taken}; name the tag that it was trained from, as in "
            f"{source.model}:{tags[0]}={source.file}"
        )
    quick = bool(agreed.pop("quick_gelu", False))
    return Preparation(agreed, quick, tuple(notes))


def _settings(tag: Mapping[str, Any], default: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(tag.get(name, value)) for name, value in default.items()}


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else value


def _said(settings: Mapping[str, Any]) -> str:
    words = {True: "yes", False: "no"}
    return ", ".join(
        f"{_WORDS.get(name, name)} {words[value] if isinstance(value, bool) else value}"
        for name, value in settings.items()
    )


def _missing_from(source: Source) -> tuple[str, ...]:
    """What a directory's configuration leaves open: open_clip then takes what CLIP was trained with."""
    assert source.directory
    file = source.directory / "open_clip_config.json"
    try:
        given = json.loads(file.read_text(encoding="utf-8")).get("preprocess_cfg") or {}
        given.keys()
    except (ValueError, AttributeError):  # open_clip says what is wrong with it
        return ()
    # Interpolation and resize are left out by early versions of open_clip, which had one of each.
    if missing := [name for name in ("mean", "std") if given.get(name) is None]:
        return (
            f"{source.name}: its open_clip_config.json gives no {' and no '.join(missing)} of pixels in "
            "preprocess_cfg; those of CLIP are taken",
        )
    return ()


def check_settings(name: str, settings: Mapping[str, Any]) -> None:
    """Raises `UserError` where a model's preprocessing, in open_clip's words, cannot be followed."""
    mean, std, size = (settings.get(one) for one in ("mean", "std", "size"))
    wrong = ""
    if settings.get("resize_mode") not in _RESIZES:
        wrong = f"resize_mode {settings.get('resize_mode')!r}; there are {', '.join(_RESIZES)}"
    elif settings.get("interpolation") not in _INTERPOLATIONS:
        wrong = f"interpolation {settings.get('interpolation')!r}; there are bicubic and bilinear"
    elif not (_numbers(mean, 3) and _numbers(std, 3) and min(std or ()) > 0):
        wrong = f"mean {mean} and std {std}; give three numbers each, one a channel, of pixels in [0, 1]"
    elif not _numbers([settings.get("fill_color")], 1):
        wrong = f"fill_color {settings.get('fill_color')!r}; give one number from 0 to 255"
    elif not (_numbers(size, 2) or _numbers([size], 1)):
        wrong = f"size {size}; give height and width in pixels"
    if wrong:
        raise UserError(f"encoder {name} could not be loaded: its preprocess_cfg has {wrong}")


def _numbers(given: Any, count: int) -> bool:
    return (
        isinstance(given, list | tuple)
        and len(given) == count
        and all(isinstance(one, int | float) and math.isfinite(one) for one in given)
    )
