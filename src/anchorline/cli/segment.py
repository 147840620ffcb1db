"""The command `segment`: a class for each pixel, by several methods."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from anchorline.cli.options import Device, Overwrite, Trackers

if TYPE_CHECKING:
    from anchorline.suites.masks.suite import SegmentationSuite
    from anchorline.tasks.segmentation.methods import SegmentationMethod


@dataclass(frozen=True)
class Segment:
    """Segment images: train new decoders on a pre-trained backbone, measure all, write a report."""

    suite: str = ""
    """scenes (bundled), or voc2012, pascal-context, pascal-person-part with --root; left out: the folders
    that are given, or scenes."""
    root: Path | None = None
    """Where a PASCAL benchmark lies: the folder that holds VOCdevkit."""
    train: Path | None = None
    """Folder to learn from: images/, masks/ (PNGs of class indices, 255 is ignored) and classes.txt (a class
    a line, the first is index 0)."""
    val: Path | None = None
    """The same to choose on; left out, a fifth of train is split off."""
    test: Path | None = None
    """The same to measure on."""
    shift: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=DIR [NAME=DIR …]")] = ()
    """The same classes in another look."""
    backbone: str = "pictogram-clip"
    """pictogram-clip, another encoder whose image tower is a timm model, a name of
    segmentation-models-pytorch (resnet50), or tu-NAME of timm (tu-vit_base_patch16_clip_224.openai)."""
    weights: Annotated[str, tyro.conf.arg(metavar="FILE|none")] = ""
    """Of a resnet50 or tu-NAME: a file, or none for random ones; left out: those that come with the name."""
    decoder: str = ""
    """fpn, unet, deeplabv3plus, dpt (vision transformers) or linear; left out: fpn, or dpt."""
    width: int = 0
    """Channels of the decoder; left out: 32 on pictogram-clip, 256 on others."""
    size: int = 0
    """Height and width, in pixels, at which images are learnt and measured; left out: 128 for scenes, else
    512."""
    method: tuple[str, ...] = ()
    """fine-tune, linear-decoder, bias, layer-decay, l2-sp, mars-sp, tpgm, ftp, spd or "all"; left out:
    fine-tune, linear-decoder, l2-sp and ftp."""
    set: tuple[str, ...] = ()
    """Choices to change, FIELD=VALUE, in every method that has them: training.epochs=60 training.lr=1e-4."""
    corruption: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME[/SEVERITY] …")] = ()
    """Corruptions of the test set, as in ImageNet-C: fog, fog/3, a group (noise, blur, weather, digital),
    "all" or "none"; left out: fog, defocus_blur, gaussian_noise and brightness at all severities."""
    seeds: tuple[int, ...] = (0,)
    """Seeds; figures are means over them."""
    out: Path = Path("runs/segment")
    """Directory for results.csv, report.html and one run a method and seed; the same command goes on from
    what is there."""
    overwrite: Overwrite = False
    track: Trackers = ()
    device: Device = ""
    memory_limit: float = 4.0
    """GiB of a set's decoded images to hold in memory; beyond it they lie in temporary files."""


def segment(command: Segment) -> None:
    from anchorline.cli import shared
    from anchorline.tasks.segmentation import PAPER_FOUR, Architecture, compare, load_backbone
    from anchorline.tasks.segmentation.tables import screen_table

    rows = _rows(command)  # before anything long
    suite = _suite(command)
    size = command.size or (128 if _is_bundled(command) else 512)
    width = command.width or (32 if command.backbone == "pictogram-clip" else 256)
    corruptions = () if command.corruption == ("none",) else command.corruption or PAPER_FOUR
    with shared.narrator() as narrator:
        narrator.say(f"loading {command.backbone} …")
        found = compare(
            suite,
            load_backbone(command.backbone, command.weights, command.device or None),
            rows,
            command.out,
            architecture=Architecture(command.decoder, width, (size, size)),
            seeds=shared.seeds_of(command.seeds),
            corruptions=corruptions,
            memory_limit=int(command.memory_limit * 2**30),
            narrator=narrator,
            trackers=command.track,
            overwrite=command.overwrite,
        )
    shared.console().print(screen_table(found.rows))
    shared.print_notes(suite.notes)
    shared.print_line(f"Report: {found.report.resolve()}")


def _rows(command: Segment) -> list[SegmentationMethod]:
    """The rows with the settings put in. A setting that fits none of them is an error."""
    from anchorline.cli.shared import settings_of
    from anchorline.methods.settings import override, override_each
    from anchorline.tasks.segmentation import METHODS, SHOWN, find_method

    names = METHODS if "all" in command.method else command.method or SHOWN
    return override_each(map(find_method, names), settings_of(command.set), override)


def _is_bundled(command: Segment) -> bool:
    return not command.train and command.suite in ("", "scenes")


def _suite(command: Segment) -> SegmentationSuite:
    from anchorline.cli.inputs import named_paths
    from anchorline.errors import UserError, suggestion
    from anchorline.suites.masks.scenes import scenes
    from anchorline.suites.masks.suite import SegmentationSuite
    from anchorline.suites.masks.voc import READERS

    known = ("scenes", *READERS)
    folders = command.train or command.val or command.test or command.shift
    if folders and (command.suite or command.root):
        raise UserError("--suite or --root and folders (--train, --test …) exclude each other; give one")
    if folders:
        if command.train is None or command.test is None:
            missing = "--train" if command.train is None else "--test"
            raise UserError(f"folders are given but {missing} is not; give --train DIR and --test DIR")
        return SegmentationSuite.from_folders(
            command.train, command.test, command.val, named_paths("shift", command.shift)
        )
    name = command.suite or "scenes"
    if name not in known:
        raise UserError(
            f"unknown suite {name!r}{suggestion(name, known)}; give one of {', '.join(known)}, or folders"
        )
    if name == "scenes":
        if command.root:
            raise UserError(f"--root {command.root}: scenes is in the package; leave --root out")
        return scenes()
    if command.root is None:
        raise UserError(f"--suite {name} is read from disk; say with --root DIR where VOCdevkit lies")
    return READERS[name](command.root)
