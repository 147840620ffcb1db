"""Gets data sets whose authors let everybody have them; nothing here runs unless a user asks for it.

What is published on the Hugging Face hub: `hub.from_hub`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from anchorline.errors import UserError, first_line


def from_torchvision(name: str, **choices: Any) -> Callable[[Path], None]:
    """A `Part.download`: `torchvision.datasets.NAME(root, download=True, …)`, which checks what it gets."""

    def download(root: Path) -> None:
        from torchvision import datasets

        _tried(name, root, lambda: getattr(datasets, name)(str(root), download=True, **choices))

    return download


def from_urls(folder: str, files: Mapping[str, str | None]) -> Callable[[Path], None]:
    """A `Part.download`: files (URL -> MD5, if public) into `root/folder`; archives are unpacked."""

    def download(root: Path) -> None:
        from torchvision.datasets.utils import download_and_extract_archive, download_url

        for url, md5 in files.items():
            get = download_and_extract_archive if url.endswith((".tar", ".tar.gz", ".zip")) else download_url
            _tried(url, root, lambda: get(url, str(root / folder), md5=md5))  # noqa: B023 (called at once)

    return download


def _tried(what: str, root: Path, get: Callable[[], object]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    try:
        get()
    except (OSError, RuntimeError) as error:  # URLError is an OSError; a wrong checksum is a RuntimeError
        raise UserError(
            f"cannot download {what} to {root} ({first_line(error)}); try again, or get it by hand"
        ) from error
