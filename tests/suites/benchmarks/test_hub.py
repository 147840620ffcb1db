"""Data sets from the Hugging Face hub: written as they are read, gone on with, refused in one sentence."""

import io
import re
import tarfile
import zipfile

import datasets
import pytest
from datasets.exceptions import DatasetNotFoundError
from PIL import Image

from anchorline.errors import UserError
from anchorline.suites.benchmarks import hub
from anchorline.suites.benchmarks.class_folders import in_class_folders
from anchorline.suites.benchmarks.datasets.imagenet_classes import NAME_OF, WNIDS
from anchorline.suites.benchmarks.datasets.imagenet_shifts import (
    _PATH,
    _PATH_OF_1K,
    _PATH_OF_V2,
    IMAGENET,
    IMAGENET_V2,
)
from anchorline.suites.benchmarks.hub import HubSplit, from_hub

CLASSES = WNIDS[:2]
IMAGES = 12


def jpeg(number):
    out = io.BytesIO()
    Image.new("RGB", (4, 4), (number * 20, 0, 0)).save(out, "JPEG")
    return out.getvalue()


def table(images=IMAGES):
    """As ImageNet-1k lies on the hub: its classes alternate."""
    rows = [
        {"bytes": jpeg(number), "path": f"{CLASSES[number % 2]}_{number}_{CLASSES[number % 2]}.JPEG"}
        for number in range(images)
    ]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    return datasets.Dataset.from_dict({"image": rows, "label": [0] * images}, features=features)


SPLIT = HubSplit("train", "imagenet/train", IMAGES, _PATH_OF_1K)


@pytest.fixture
def served(monkeypatch):
    """What was asked for; the answer is the table, as a stream where one is asked for."""
    asked = []

    def load_dataset(*arguments, streaming, **named):
        asked.append((*arguments, named))
        return table().to_iterable_dataset(num_shards=3) if streaming else table()

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return asked


def written(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


EXPECTED = {f"{CLASSES[n % 2]}/{CLASSES[n % 2]}_{n}.JPEG": jpeg(n) for n in range(IMAGES)}


@pytest.mark.parametrize("streaming", [True, False])
def test_the_bytes_of_the_hub_in_class_folders(tmp_path, served, streaming):
    from_hub("some/where", [SPLIT], streaming=streaming)(tmp_path)
    assert served == [("some/where", {"split": "train"})]
    folder = tmp_path / "imagenet/train"
    assert written(folder) == EXPECTED
    class_map = {wnid: NAME_OF[wnid] for wnid in CLASSES}
    assert set(in_class_folders("it", folder, class_map).names) == set(class_map.values())
    assert [path.name for path in folder.parent.iterdir()] == ["train"]
    from_hub("some/where", [SPLIT], streaming=streaming)(tmp_path)  # what is whole stays
    assert len(served) == 1


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("stop", [0, 3, 4, 7, 11])
def test_what_was_killed_goes_on(tmp_path, served, monkeypatch, stop, streaming):
    monkeypatch.setattr(hub, "_SAVE_EVERY", 2)
    contents, count = hub._bytes, []

    def killed(image):
        count.append(image["path"])
        if len(count) > stop:
            raise KeyboardInterrupt
        return contents(image)

    download = from_hub("some/where", [SPLIT], streaming=streaming)
    monkeypatch.setattr(hub, "_bytes", killed)
    with pytest.raises(KeyboardInterrupt):
        download(tmp_path)
    assert IMAGENET.find(tmp_path) is None  # half a folder is none
    again = []
    monkeypatch.setattr(hub, "_bytes", lambda image: again.append(image["path"]) or contents(image))
    download(tmp_path)
    assert written(tmp_path / "imagenet/train") == EXPECTED
    assert len(again) == IMAGES - stop // 2 * 2  # since it last noted what was done


def test_notes_of_another_version_are_not_believed(tmp_path, served, monkeypatch):
    monkeypatch.setattr(hub, "_SAVE_EVERY", 2)
    unfinished = tmp_path / "imagenet/train.unfinished"
    for note in ("{", '{"datasets": "0.1", "images": 10, "rows": {}}'):
        unfinished.mkdir(parents=True)
        (unfinished / "state.json").write_text(note)
        from_hub("some/where", [SPLIT])(tmp_path)
        assert written(tmp_path / "imagenet/train") == EXPECTED
        (tmp_path / "imagenet/train").rename(tmp_path / f"done {len(note)}")


def test_fewer_images_than_there_should_be(tmp_path, served):
    more = HubSplit("train", "imagenet/train", IMAGES + 1, _PATH_OF_1K)
    with pytest.raises(
        UserError, match=r"train.unfinished holds 12 images when .* and 13 were expected; remove it"
    ):
        from_hub("some/where", [more])(tmp_path)
    assert not (tmp_path / "imagenet/train").exists()
    (tmp_path / "imagenet/train").mkdir()
    with pytest.raises(UserError, match="holds 0 of 13 images, and did not come from here; move it away"):
        from_hub("some/where", [more])(tmp_path)


def test_names_that_are_not_as_expected(tmp_path, served):
    other = HubSplit("train", "imagenet/train", IMAGES, re.compile("(?P<folder>no)(?P<stem>t)(?P<ending>it)"))
    with pytest.raises(
        UserError, match=r"the hub calls an image of train 'n01440764_0_n01440764\.JPEG', which"
    ):
        from_hub("some/where", [other])(tmp_path)


@pytest.mark.parametrize("path", [_PATH, _PATH_OF_1K, _PATH_OF_V2])
@pytest.mark.parametrize("evil", ["x/../y.JPEG", "/n01440764/../../x.JPEG", "a/n01440764/..jpeg", ""])
def test_no_name_leads_out_of_the_folder(path, evil):
    assert path.fullmatch(evil) is None


def test_a_missing_library(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(UserError, match=r"pip install 'anchorline\[hub\]'"):
        from_hub("some/where", [SPLIT])(tmp_path)
    assert not list(tmp_path.iterdir())


def test_no_network(tmp_path, monkeypatch):
    def load_dataset(*_, **__):
        raise ConnectionError("Couldn't reach 'some/where' on the Hub (LocalEntryNotFoundError)\nmore")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(UserError) as caught:
        from_hub("some/where", [SPLIT])(tmp_path)
    assert str(caught.value) == (
        "cannot get some/where from the Hugging Face hub (Couldn't reach 'some/where' on the Hub "
        "(LocalEntryNotFoundError)); check the network and the free space, and try again: it goes on where "
        "it stopped"
    )


def test_imagenet_is_for_those_who_accepted_its_terms(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(UserError, match="log in with 'hf auth login'"):
        IMAGENET.download(tmp_path)

    def load_dataset(*_, **__):
        raise DatasetNotFoundError("Dataset 'ILSVRC/imagenet-1k' is a gated dataset on the Hub.")

    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_token")
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(
        UserError, match=r"accept its terms at https://huggingface\.co/datasets/ILSVRC/imagenet"
    ):
        IMAGENET.download(tmp_path)


@pytest.fixture
def archives(tmp_path, monkeypatch):
    """The true library reads archives of the true layouts from here, and not from the hub."""
    here = tmp_path / "hub"
    here.mkdir()
    with zipfile.ZipFile(here / "ImageNet-Sketch.zip", "w") as archive:
        for number, wnid in enumerate(CLASSES):
            archive.writestr(f"sketch/{wnid}/sketch_{number}.JPEG", jpeg(number))
    with tarfile.open(here / "imagenetv2-matched-frequency.tar.gz", "w:gz") as archive:
        for number in (0, 1, 10):
            member = tarfile.TarInfo(f"imagenetv2-matched-frequency-format-val/{number}/ab{number}.jpeg")
            member.size = len(jpeg(number))
            archive.addfile(member, io.BytesIO(jpeg(number)))
    load = datasets.load_dataset

    def load_dataset(*arguments, data_files, **named):
        local = {split: str(here / url.rsplit("/", 1)[-1]) for split, url in data_files.items()}
        return load(*arguments, data_files=local, cache_dir=str(tmp_path / "cache"), **named)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)


def test_an_archive_of_folders(tmp_path, archives):
    split = HubSplit("test", "sketch", 2, _PATH)
    files = "data/ImageNet-Sketch.zip"
    from_hub("some/where", [split], builder="imagefolder", files=files, streaming=False)(tmp_path)
    assert written(tmp_path / "sketch") == {
        f"{wnid}/sketch_{number}.JPEG": jpeg(number) for number, wnid in enumerate(CLASSES)
    }


def test_an_archive_as_a_stream(tmp_path, archives):
    split = HubSplit("test", "imagenetv2-matched-frequency-format-val", 3, _PATH_OF_V2)
    files = "imagenetv2-matched-frequency.tar.gz"
    from_hub("some/where", [split], column="jpeg", builder="webdataset", files=files)(tmp_path)
    assert IMAGENET_V2.find(tmp_path) == tmp_path / split.folder
    assert written(tmp_path / split.folder) == {
        f"{number}/ab{number}.jpeg": jpeg(number) for number in (0, 1, 10)
    }
