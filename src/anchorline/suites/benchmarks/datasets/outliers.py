"""The usual outlier sets of CIFAR-10: SVHN, LSUN (resized), iSUN, DTD, Places365."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

from anchorline.errors import UserError
from anchorline.suites.benchmarks.arrays import checked, mat
from anchorline.suites.benchmarks.dataset import Dataset, Listing, folder_named, folder_with, require, text_of
from anchorline.suites.benchmarks.downloading import from_torchvision
from anchorline.suites.images.files import find_images
from anchorline.suites.images.sources import Arrays, Folder

_ODIN = "https://github.com/facebookresearch/odin"
# Most papers take 10,000 of its test images, by a list of these names.
_PLACES, _PLACES_LIST = 10_000, "places365_test_list.txt"


def images_below(name: str, folder: Path) -> Listing:
    """All images at any depth. Raises `UserError` if there is none."""
    paths = tuple(find_images(folder))
    if not paths:
        raise UserError(f"{name} in {folder} holds no images; extract the whole archive again")
    return Listing(Folder(folder), paths)


def _svhn(found: Path, split: str) -> Listing:
    file = found / f"{split}_32x32.mat"
    require("SVHN", found, [file.name])
    (images,) = mat(file, "X")  # [32, 32, 3, N]
    source = Arrays(
        checked(images.transpose(3, 0, 1, 2) if images.ndim == 4 else images, 32, file), str(file)
    )
    return Listing(source, source.paths())


def _places(found: Path, split: str) -> Listing:
    listed = images_below("Places365", found)
    names = {path: path.rsplit("/", 1)[-1] for path in listed.paths}
    file = next((one for one in (found / _PLACES_LIST, found.parent / _PLACES_LIST) if one.is_file()), None)
    if file:
        # A line is a name or a path of an image, and in some copies a label after it.
        lines = (line.split() for line in text_of("Places365", file).splitlines())
        wanted = {words[0].rsplit("/", 1)[-1] for words in lines if words}
        paths = [path for path in listed.paths if names[path] in wanted]
        if not paths:
            raise UserError(
                f"Places365: no image in {found} is in the list {file}; move the list away, or get it anew"
            )
        note = f"the images that {_PLACES_LIST} lists"
    else:
        drawn = sorted(listed.paths, key=lambda path: blake2b(names[path].encode()).digest())
        paths = sorted(drawn[:_PLACES])
        note = f"{len(paths):,} of its {len(listed.paths):,} images, by a hash of their names"
    return Listing(listed.source, tuple(paths), notes=(note,))


SVHN = Dataset(
    name="SVHN",
    about="house numbers, cropped to a digit, 32 x 32 pixels (Netzer et al. 2011); its test set",
    source="http://ufldl.stanford.edu/housenumbers/",
    licence="for non-commercial use only",
    layout="svhn (test_32x32.mat)",
    images={"test": 26_032},
    find=folder_with(("test_32x32.mat",), below=("svhn", "SVHN")),
    read=_svhn,
    md5={"test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3"},
    download=lambda root: from_torchvision("SVHN", split="test")(root / "svhn"),
)

LSUN_RESIZED = Dataset(
    name="LSUN (resized)",
    about="rooms and buildings, scaled to 32 x 32 pixels (Liang, Li & Srikant, ICLR 2018, arXiv 1706.02690)",
    source=f"{_ODIN} (LSUN_resize.tar.gz)",
    licence="not stated",
    layout="LSUN_resize/LSUN_resize/*.jpg",
    images={"test": 10_000},
    find=folder_named("LSUN_resize", "lsun_resize"),
    read=lambda found, split: images_below("LSUN (resized)", found),
    archives=("LSUN_resize.tar.gz",),
)

ISUN = Dataset(
    name="iSUN",
    about="scenes, scaled to 32 x 32 pixels (Liang, Li & Srikant, ICLR 2018, arXiv 1706.02690)",
    source=f"{_ODIN} (iSUN.tar.gz)",
    licence="not stated",
    layout="iSUN/iSUN_patches/*.jpeg",
    images={"test": 8925},
    find=folder_with(("iSUN_patches",), below=("iSUN", "isun")),
    read=lambda found, split: images_below("iSUN", found / "iSUN_patches"),
    archives=("iSUN.tar.gz",),
)

DTD = Dataset(
    name="DTD",
    about="textures in 47 kinds (Cimpoi et al., CVPR 2014); all its images, as is usual for outliers",
    source="https://www.robots.ox.ac.uk/~vgg/data/dtd/",
    licence="for research purposes",
    layout="dtd/images/banded/*.jpg and 46 more",
    images={"all": 5640},
    find=folder_with(("images/banded",), below=("dtd/dtd", "dtd")),
    read=lambda found, split: images_below("DTD", found / "images"),
    archives=("dtd-r1.0.1.tar.gz",),
    download=from_torchvision("DTD"),
)

PLACES365 = Dataset(
    name="Places365",
    about="scenes (Zhou et al., TPAMI 2018); 10,000 of its 328,500 test images",
    source="http://data.csail.mit.edu/places/places365/test_256.tar (http://places2.csail.mit.edu)",
    licence="see its site",
    layout=f"places365/test_256/*.jpg or places365/test_subset; {_PLACES_LIST} beside it, if you have it",
    images={"test": _PLACES},
    find=folder_named("places365/test_subset", "places365/test_256", "test_256"),
    read=_places,
    archives=("test_256.tar",),
)
