"""Gets data sets that their authors or owners publish on the Hugging Face hub, into the layout that is read.

The images keep the bytes that the hub holds. They are written into a folder beside the true one, which takes
its name when it is whole: what was stopped goes on where it was, and no half folder is taken for a whole one.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from rich.progress import track

from anchorline.engine.terminal import console
from anchorline.errors import UserError, first_line
from anchorline.suites.images.files import find_images

_UNFINISHED = ".unfinished"  # end of the name of a folder that is not whole
_STATE = "state.json"  # in that folder: what is done
_SAVE_EVERY = 1_000  # images


@dataclass(frozen=True)
class HubSplit:
    """One split of a data set on the hub, and the folder that it becomes.

    Attributes:
        name: its name there.
        folder: POSIX path of the folder to write.
        images: how many images it holds.
        path: what the path of each image there is, with the groups "folder" and "stem"; it becomes
            folder/stem.ending here.
    """

    name: str
    folder: str
    images: int
    path: re.Pattern[str]


def from_hub(
    repository: str,
    splits: Sequence[HubSplit],
    *,
    column: str = "image",
    gated: bool = False,
    builder: str = "",
    files: str = "",
    streaming: bool = True,
) -> Callable[[Path], None]:
    """A `Part.download`: the images of `repository`, by `datasets.load_dataset`.

    Args:
        repository: "owner/name".
        splits: what to write; a folder that is there and whole stays as it is.
        column: the one that holds the images.
        gated: one must accept terms on its page, and be logged in.
        builder: what reads its `files`, "imagefolder" or "webdataset", for a repository of archives;
            else it holds tables, and `datasets` knows how to read them.
        files: path of the archive in the repository.
        streaming: take the images as they come, without a copy in the cache; not for a zip.

    The download raises `UserError` if `datasets` is missing, the hub cannot be reached or refuses, or what it
    holds is not what was expected.
    """
    page = f"https://huggingface.co/datasets/{repository}"

    def open_split(name: str) -> Any:
        datasets = _library()
        if builder:
            archive = {name: f"hf://datasets/{repository}/{files}"}
            rows = datasets.load_dataset(
                builder, data_files=archive, split=name, streaming=streaming,
                **({"drop_labels": True} if builder == "imagefolder" else {}),
            )  # fmt: skip
        else:
            rows = datasets.load_dataset(repository, split=name, streaming=streaming)
        rows = rows.cast_column(column, datasets.Image(decode=False))
        return rows if streaming else rows.to_iterable_dataset()

    def download(root: Path) -> None:
        _library()
        if gated:
            _check_login(repository, page)
        for split in splits:
            folder = root / split.folder
            if _is_whole(folder, split):
                continue
            try:
                _write(partial(open_split, split.name), column, split, folder)
            except UserError:
                raise
            except Exception as error:  # the hub's client has many kinds, of several libraries
                raise _refusal(repository, page, gated, error) from error

    return download


def _library() -> Any:
    try:
        import datasets
    except ImportError as error:
        raise UserError(
            "data sets on the Hugging Face hub need the package datasets: pip install 'anchorline[hub]'"
        ) from error
    return datasets


def _check_login(repository: str, page: str) -> None:
    from huggingface_hub import get_token  # `datasets` brings it

    if get_token() is None:
        raise UserError(
            f"{repository} is open to those who accepted its terms: accept them at {page}, log in with "
            "'hf auth login', and try again"
        )


def _refusal(repository: str, page: str, gated: bool, error: Exception) -> UserError:
    from datasets.exceptions import DatasetNotFoundError

    reason = first_line(error).rstrip(".")
    if gated and isinstance(error, DatasetNotFoundError):
        do = f"accept its terms at {page} with the account that you are logged in with"
    else:
        do = "check the network and the free space, and try again: it goes on where it stopped"
    return UserError(f"cannot get {repository} from the Hugging Face hub ({reason}); {do}")


def _is_whole(folder: Path, split: HubSplit) -> bool:
    """Whether the folder is there. Raises `UserError` if it lacks images: somebody else began it."""
    if not folder.is_dir():
        return False
    held = len(find_images(folder))
    if held < split.images:
        raise UserError(
            f"{folder} holds {held:,} of {split.images:,} images, and did not come from here; "
            "move it away and try again"
        )
    return True


def _write(open_rows: Callable[[], Any], column: str, split: HubSplit, folder: Path) -> None:
    """Write what is lacking of a split, and give its folder the true name when all is there."""
    unfinished = folder.with_name(folder.name + _UNFINISHED)
    unfinished.mkdir(parents=True, exist_ok=True)
    rows = open_rows()
    done = _resumed(rows, unfinished / _STATE)
    left = track(
        rows,
        f"{folder.name}:",
        total=split.images,
        completed=done,
        console=console(stderr=True),
        transient=True,
    )
    for number, row in enumerate(left, start=done + 1):
        place = _place(split, row[column]["path"])
        file = unfinished / place
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(_bytes(row[column]))
        if number % _SAVE_EVERY == 0:
            _save(rows, unfinished / _STATE, number)
    (unfinished / _STATE).unlink(missing_ok=True)
    held = len(find_images(unfinished))
    if held != split.images:
        raise UserError(
            f"{unfinished} holds {held:,} images when all that the hub gave are there, and {split.images:,} "
            "were expected; remove it and try again, or get the set by hand"
        )
    unfinished.rename(folder)


def _resumed(rows: Any, file: Path) -> int:
    """How many images are there from last time; `rows` goes on after them."""
    try:
        state = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0
    if state["datasets"] != _library().__version__:  # what it says is for that version alone
        return 0
    rows.load_state_dict(state["rows"])
    return int(state["images"])


def _save(rows: Any, file: Path, images: int) -> None:
    fresh = file.with_suffix(".new")
    state = {"datasets": _library().__version__, "images": images, "rows": rows.state_dict()}
    fresh.write_text(json.dumps(state), encoding="utf-8")
    fresh.replace(file)


def _place(split: HubSplit, path: str | None) -> str:
    """The path of an image below its folder here."""
    known = split.path.fullmatch((path or "").split("::")[0].replace("\\", "/"))
    if known is None:
        raise UserError(
            f"the hub calls an image of {split.name} {path!r}, which is not as it was when this was written; "
            "get the set by hand"
        )
    return f"{known['folder']}/{known['stem']}.{known['ending']}"


def _bytes(image: Mapping[str, Any]) -> bytes:
    if image["bytes"] is not None:
        content: bytes = image["bytes"]
        return content
    inner, archived, outer = str(image["path"]).partition("::")
    if not archived:
        return Path(inner).read_bytes()
    return _archive(outer).read(inner.removeprefix("zip://"))


@lru_cache(maxsize=1)
def _archive(file: str) -> zipfile.ZipFile:
    """Open once: `datasets` would read the list of its members for each of them."""
    return zipfile.ZipFile(file)
