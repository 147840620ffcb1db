"""ObjectNet: things in odd places, from odd sides (Barbu et al., NeurIPS 2019).

113 of its 313 classes are classes of ImageNet, by the tables in its folder mappings/. Nine of them are
two or three of ImageNet's: a chair is a barber chair, a folding chair or a rocking chair. There the
highest score of the group counts, as in the robustness papers (WiSE-FT, arXiv 2109.01903), and the images
are labelled by the first of the group. Its images have a red border, which is cut off: two pixels on each
side, as those papers do.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

from anchorline.errors import UserError
from anchorline.suites.benchmarks.class_folders import folders, images_in, usual
from anchorline.suites.benchmarks.dataset import Dataset, Listing, require
from anchorline.suites.benchmarks.datasets.imagenet_classes import NAME_OF, WNIDS
from anchorline.suites.images.rgb import UnreadableError, open_rgb

BORDER = 2  # pixels
_TO_LABEL, _TO_IMAGENET = "folder_to_objectnet_label.json", "objectnet_to_imagenet_1k.json"
_LINE_OF, _LINES = "pytorch_to_imagenet_2012_id.json", "imagenet_to_label_2012_v2"
_MAPPINGS = tuple(f"mappings/{name}" for name in (_TO_LABEL, _TO_IMAGENET, _LINE_OF, _LINES))


@dataclass(frozen=True)
class Bordered:
    """Images below `root` without their border; `read` decodes them, and gives them as PPM."""

    root: Path
    border: int = BORDER

    def read(self, path: str) -> bytes:
        try:
            image = open_rgb((self.root / path).read_bytes)
        except UnreadableError as error:
            raise OSError(str(error)) from error
        edge = self.border
        out = io.BytesIO()
        image.crop((edge, edge, image.width - edge, image.height - edge)).save(out, "PPM")
        return out.getvalue()

    def where(self, path: str) -> str:
        return str(self.root / path)


def _read(found: Path, split: str) -> Listing:
    require("objectnet", found, ["images", *_MAPPINGS])
    try:
        classes = imagenet_classes(found / "mappings")
    except (OSError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise UserError(
            f"objectnet: the tables in {found / 'mappings'} are not as released ({error!r}); "
            "extract the whole archive again"
        ) from error
    held = folders("objectnet", found / "images")
    lacking = sorted(classes.keys() - set(held))
    if lacking:
        raise UserError(
            f"objectnet: {found / 'images'} lacks {len(lacking)} of the {len(classes)} folders of classes "
            f"that ImageNet has too, such as {lacking[0]}; extract the whole archive again"
        )
    pairs = []
    for folder in sorted(classes):
        images = images_in(found / "images" / folder)
        if not images:
            raise UserError(
                f"objectnet: {found / 'images' / folder} holds no images; extract the whole archive again"
            )
        pairs += [(f"{folder}/{image}", classes[folder][0]) for image in images]
    return Listing(
        Bordered(found / "images"),
        tuple(path for path, _ in pairs),
        tuple(name for _, name in pairs),
        merged=tuple(group for group in classes.values() if len(group) > 1),
        notes=(
            f"of {len(held)} classes the {len(classes)} that ImageNet has count; by its licence it may never "
            "be learnt from, and be shown on the web only with the red border that is cut off here",
        ),
    )


def imagenet_classes(mappings: Path) -> dict[str, tuple[str, ...]]:
    """The names of ImageNet's classes by folder of ObjectNet, where it has any.

    ObjectNet's label of a folder -> labels of ImageNet, joined by "; " -> their lines in a file -> numbers.
    """

    def table(name: str) -> dict[str, str]:
        content: dict[str, str] = json.loads((mappings / name).read_text(encoding="utf-8"))
        return content

    number_of_line = {int(line): int(number) for number, line in table(_LINE_OF).items()}
    lines = (mappings / _LINES).read_text(encoding="utf-8").splitlines()
    name_of = {
        text.strip(): NAME_OF[WNIDS[number_of_line[line]]] for line, text in enumerate(lines) if text.strip()
    }
    groups = table(_TO_IMAGENET)
    return {
        folder: tuple(name_of[text] for text in groups[label].split("; "))
        for folder, label in table(_TO_LABEL).items()
        if label in groups
    }


OBJECTNET = Dataset(
    name="objectnet",
    about="things photographed at home on odd grounds, turned, from odd sides (Barbu et al., NeurIPS 2019)",
    source="https://objectnet.dev/download.html",
    licence="CC BY 4.0, and: never tune on it; show its images on the web only with their red border",
    layout="objectnet-1.0/images/alarm_clock/*.png … and objectnet-1.0/mappings/*.json",
    images={"test": None},
    find=usual(("objectnet-1.0", "objectnet", "ObjectNet"), ("mappings", "images")),
    read=_read,
    archives=("objectnet-1.0.zip",),
)
