"""How images are prepared for an encoder, and which activation it has: what its weights were trained with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from anchorline.encoders.naming import Source

_FIELDS = ("mean", "std", "interpolation", "resize_mode")
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
    except (ValueError, AttributeError):  # open_clip says what is wrong with it
        return ()
    # Interpolation and resize are left out by early versions of open_clip, which had one of each.
    if missing := [name for name in ("mean", "std") if name not in given]:
        return (
            f"{source.name}: its open_clip_config.json gives no {' and no '.join(missing)} of pixels in "
            "preprocess_cfg; those of CLIP are taken",
        )
    return ()
