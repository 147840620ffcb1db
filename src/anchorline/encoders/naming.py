"""What the name of an encoder asks for."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from anchorline.errors import UserError, close_names

BUNDLED = "pictogram-clip"
IN_BF16 = "@bf16"
_BUNDLED_DIR = Path(str(files("anchorline") / "data" / BUNDLED))


@dataclass(frozen=True)
class Source:
    """Where an encoder comes from.

    Attributes:
        name: as the user gave it.
        model: as open_clip calls it: an architecture, `local-dir:DIR` or `hf-hub:OWNER/NAME`.
        directory: of a `local-dir:`.
        tag: weights that open_clip knows, or those that `file` was trained from; "" where none is named.
        file: with weights for an architecture.
    """

    name: str
    model: str
    directory: Path | None = None
    tag: str = ""
    file: Path | None = None

    @property
    def random(self) -> bool:
        """Whether it names an architecture and no weights."""
        return not (self.has_schema or self.tag or self.file)

    @property
    def has_schema(self) -> bool:
        return self.model.startswith(("local-dir:", "hf-hub:"))


def parse(name: str) -> Source:
    """What a name without `@bf16` asks for. Raises `UserError` for what is not to be found."""
    if name == BUNDLED:
        return Source(name, f"local-dir:{_BUNDLED_DIR}", directory=_BUNDLED_DIR)
    first, colon, rest = name.partition(":")
    if colon and first == "hf-hub":
        return Source(name, name)
    if colon and first == "local-dir":
        directory = _path(rest)
        if not (directory / "open_clip_config.json").is_file():
            other = (
                "is laid out as transformers writes it and " if (directory / "config.json").is_file() else ""
            )
            raise UserError(
                f"{name}: {rest or 'the empty path'} {other}holds no open_clip_config.json; "
                "give a directory as open_clip writes it (configuration and weights)"
            )
        return Source(name, f"local-dir:{directory}", directory=directory)
    return _of_architecture(name, first, rest)


def _of_architecture(name: str, given: str, weights: str) -> Source:
    import open_clip  # takes seconds; commands that load no encoder need not wait

    architecture = given.replace("/", "-")  # ViT-B/32, as the papers write it
    if architecture not in open_clip.list_models():
        near = close_names(given, [BUNDLED, *open_clip.list_models()])
        hint = f"; near it: {', '.join(near)}" if near else ""
        raise UserError(f"unknown encoder {name!r}{hint}; 'anchorline encoders' lists those that are known")
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if not weights or weights in tags:
        return Source(name, architecture, tag=weights)
    if file := _file(weights):
        return Source(name, architecture, file=file)
    tag, equals, path = weights.partition("=")
    if equals and tag in tags:
        if file := _file(path):
            return Source(name, architecture, tag=tag, file=file)
        raise UserError(f"encoder {name}: there is no file {path}; give {given}:{tag}=FILE with its weights")
    _refuse_path(name, given, weights)
    raise UserError(
        f"encoder {given} has no pre-trained weights {weights!r}; "
        + (f"its tags are {', '.join(tags)}; or give a file" if tags else "give a file with weights")
    )


def _refuse_path(name: str, architecture: str, weights: str) -> None:
    """Raises `UserError` for what is meant as a path and is no file."""
    path = _path(weights)
    if path.is_dir():
        raise UserError(
            f"encoder {name}: {weights} is a directory; give the file in it, or local-dir:{weights} for one "
            "as open_clip writes it"
        )
    if "=" not in weights and ("/" in weights or path.suffix):
        raise UserError(
            f"encoder {name}: there is no file {weights}; check the path, or give {architecture}:TAG "
            f"('anchorline encoders {architecture}' lists the tags)"
        )


def _path(given: str) -> Path:
    try:
        return Path(given).expanduser()
    except RuntimeError:  # the home of a user who does not exist
        return Path(given)


def _file(given: str) -> Path | None:
    try:
        return path.absolute() if (path := _path(given)).is_file() else None
    except (OSError, ValueError):  # too long for a path, or in a folder that may not be read
        return None
