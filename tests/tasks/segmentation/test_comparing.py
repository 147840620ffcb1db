"""Segmentation side by side: results, the report, predict and the command."""

from __future__ import annotations

import re
import shutil
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from anchorline.cli.segment import Segment, segment
from anchorline.engine.jobs import read_json
from anchorline.errors import UserError
from anchorline.report.numbers import Results
from anchorline.report.published import Published
from anchorline.suites.masks.sets import MaskedSet
from anchorline.suites.masks.suite import SegmentationSuite
from anchorline.tasks.segmentation import compare, is_segmentation_run, load_backbone, predict_masks
from anchorline.tasks.segmentation.comparing import PAPER_FOUR, Comparison, corrupted_sets
from anchorline.tasks.segmentation.evaluating import counts_job
from anchorline.tasks.segmentation.model import Segmenter
from anchorline.tasks.segmentation.pictures import mask_picture, overlay, palette
from anchorline.tasks.segmentation.run import Run
from anchorline.tasks.segmentation.sentences import sentences
from tests.helpers.blocks import SIZE, blocks, write_blocks
from tests.helpers.segmented import SMALL, brief

EVIL = "<b>red</b>"
ROWS = [brief(name, epochs=1) for name in ("fine-tune", "ftp", "linear-decoder")]
ASKED = {"architecture": SMALL, "seeds": (0, 1), "corruptions": ("brightness/2", "gaussian_noise/3")}
PUBLISHED = (Published("ftp", "test", "miou", 72.5, "Tian et al. 2023, table 3", "another decoder"),)


@pytest.fixture(scope="module")
def suite() -> SegmentationSuite:
    sets = [
        blocks(name, count, seed)
        for seed, (name, count) in enumerate((("train", 16), ("val", 6), ("test", 5)))
    ]
    shifts = {"dark & <i>": blocks("dark & <i>", 3, 7)}
    return SegmentationSuite("blocks", ("ground", EVIL, "green"), *sets, shifts, notes=("a note",))


@pytest.fixture(scope="module")
def compared(suite, tmp_path_factory) -> Comparison:
    out = tmp_path_factory.mktemp("segment")
    return compare(suite, load_backbone(device="cpu"), ROWS, out, published=PUBLISHED, **ASKED)


def test_rows(compared, suite):
    rows = pd.read_csv(compared.directory / "results.csv")
    assert (
        len(rows)
        == len(compared.rows)
        == len((compared.directory / "results.jsonl").read_text().splitlines())
    )
    miou = rows[rows.metric == "miou"].groupby("role").set.unique().map(list).to_dict()
    assert miou == {
        "test": ["test"],
        "shift": ["dark & <i>"],
        "corruption": ["gaussian_noise/3", "brightness/2"],
    }
    assert set(rows.metric[rows.role == "test"]) == {"miou", *(f"iou:{name}" for name in suite.classes)}
    one = rows[(rows.method == "ftp") & (rows.seed == 1)].set_index(["role", "metric"])
    assert one.value["summary", "clean"] == one.value["test", "miou"].item()
    assert np.isclose(one.value["summary", "corruption_mean"].item(), one.value["corruption", "miou"].mean())
    assert one.value["summary", "shift_mean"].item() == one.value["shift", "miou"].item()
    assert set(compared.table.index) == {"fine-tune", "ftp", "linear-decoder"}
    published = pd.read_csv(compared.directory / "published.csv")
    ours = rows[(rows.method == "ftp") & (rows.set == "test") & (rows.metric == "miou")].value.mean()
    assert np.isclose(published.measured[0], ours)


def test_corrupted_test_sets_by_name(suite):
    sets = corrupted_sets(suite)
    assert len(sets) == len(PAPER_FOUR) * 5
    assert sets["fog/3"].corruption == ("fog", 3)
    assert sets["fog/3"].name == "fog/3"
    assert list(corrupted_sets(suite, ["brightness"], [2, 4])) == ["brightness/2", "brightness/4"]
    with pytest.raises(UserError, match=r"no corruption 'fogg'.*'fog'"):
        suite.test.corrupted("fogg", 1)


def test_the_same_again_trains_and_measures_nothing(compared, suite, monkeypatch):
    for name in ("run.train", "evaluating.counts_of"):
        monkeypatch.setattr(f"anchorline.tasks.segmentation.{name}", None)
    again = compare(suite, load_backbone(device="cpu"), ROWS, compared.directory, **ASKED)
    pd.testing.assert_frame_equal(again.rows, compared.rows)


def test_a_network_is_built_once_a_decoder(compared, suite, monkeypatch):
    """Not for each set, method and seed; and one set's pixels are held at a time."""
    built, held = [], []
    make, read = Segmenter.__init__, MaskedSet.decoded

    def counting(self, *args, **more):
        built.append(args[1])
        make(self, *args, **more)

    def decoded(self, *args, **more):
        held[:] = [one for one in held if one() is not None]
        found = read(self, *args, **more)
        if self.name not in ("train", "val"):
            assert not held, "the set before is still in memory"
            held.append(weakref.ref(found[0]))
        return found

    for file in compared.directory.glob("runs/*/*/answers/counts-*"):
        file.unlink()
    monkeypatch.setattr(Segmenter, "__init__", counting)
    monkeypatch.setattr(MaskedSet, "decoded", decoded)
    monkeypatch.setattr("anchorline.tasks.segmentation.comparing.examples", lambda *_: [])
    again = compare(suite, load_backbone(device="cpu"), ROWS, compared.directory, **ASKED)
    pd.testing.assert_frame_equal(again.rows, compared.rows)
    assert sorted(built) == ["fpn", "linear"]


def test_other_images_have_other_counts(compared, suite):
    run = compared.directory / "runs" / "ftp" / "seed-0"
    jobs = [counts_job(run, read_json(run / "config.json")["configuration_hash"], images)
            for images in (suite.test, blocks("test", 5, 99))]  # fmt: skip
    assert [job.finished() for job in jobs] == [True, False]


def test_other_images_are_refused(compared, suite):
    other = replace(suite, test=blocks("test", 5, 99))
    with pytest.raises(UserError, match=r"holds a comparison of segmentation of blocks .*, not blocks"):
        compare(other, load_backbone(device="cpu"), ROWS, compared.directory, **ASKED)


def test_another_method_adds_up(compared, suite, monkeypatch, tmp_path):
    out = shutil.copytree(compared.directory, tmp_path / "out")
    trained = []
    real = Run.collect
    monkeypatch.setattr(Run, "collect", lambda run: trained.append(run.method.name) or real(run))
    more = compare(suite, load_backbone(device="cpu"), [brief("bias")], out, **ASKED)
    assert set(trained) == {"bias"}
    assert list(more.classifiers) == [*compared.classifiers, "bias"]
    before = more.rows[more.rows.method != "bias"].reset_index(drop=True)
    pd.testing.assert_frame_equal(before, compared.rows)


def test_the_page_is_whole_offline_and_escaped(compared, suite):
    compare(suite, load_backbone(device="cpu"), ROWS, compared.directory, published=PUBLISHED, **ASKED)
    page = compared.report.read_text()
    body = re.sub(r"<script.*?</script>", "", page, flags=re.S)
    assert not re.search(r'(src|href)="(?!data:|#)', body)
    assert "<b>red" not in page
    assert "&lt;b&gt;red&lt;/b&gt;" in body
    assert "dark &amp; &lt;i&gt;" in body
    assert body.count('<img src="data:image/png;base64,') == (4 + 1 + 2) * (2 + 3)
    for words in (
        "a note",
        "another decoder",
        "differ",
        "mIoU against severity",
        "Test against images under shift",
    ):
        assert words in body, words


def test_methods_alone_and_without_corruptions(suite, tmp_path):
    plain = replace(suite, shifts={})
    found = compare(
        plain, load_backbone(device="cpu"), ROWS[2:], tmp_path, architecture=SMALL, corruptions=()
    )
    assert set(found.table) == {"clean", "peak_memory", "seconds", "trainable_parameters"}
    assert "Corruptions</h2>" not in found.report.read_text()
    with pytest.raises(UserError, match="unknown method of segmentation 'flyp'"):
        compare(plain, load_backbone(device="cpu"), ["flyp"], tmp_path)
    with pytest.raises(UserError, match="no corruption 'fogg'"):
        compare(plain, load_backbone(device="cpu"), ROWS[2:], tmp_path, corruptions=["fogg"])


@pytest.mark.parametrize(
    ("ftp", "said"),
    [
        ((61.0, 43.0), r"\+1\.0 points on test, \+3\.0 under corruption; as its paper claims"),
        ((62.0, 41.0), r"\+2\.0 points on test, \+1\.0 under corruption; .* does not hold here"),
        ((59.0, 45.0), "does not hold here"),
    ],
)
def test_the_claim_is_judged(ftp, said):
    table = [("fine-tune", 60.0, 40.0), ("ftp", *ftp)]
    rows = [
        {"suite_hash": "s", "encoder_hash": "e", "method": method, "seed": seed, "role": "summary",
         "metric": metric, "set": "", "score": "", "convention": "", "value": value, "low": np.nan,
         "high": np.nan, "n": None}
        for method, *values in table
        for metric, value in zip(("clean", "corruption_mean"), values, strict=True)
        for seed in (0, 1)
    ]  # fmt: skip
    text = " ".join(sentences(Results(pd.DataFrame(rows))))
    assert re.search(said, text)


# Pictures and predict


def test_the_palette_is_that_of_pascal_voc():
    assert palette()[:4].tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    assert palette()[255].tolist() == [224, 224, 192]


def test_an_overlay_leaves_the_background():
    image, mask = np.full((4, 4, 3), 100, np.uint8), np.zeros((4, 4), np.uint8)
    mask[0, 0] = 1
    drawn = overlay(image, mask, share=0.5)
    assert drawn[0, 0].tolist() == [114, 50, 50]
    assert (drawn[1:] == 100).all()
    assert np.array_equal(np.asarray(mask_picture(mask)), mask)


def test_predict_writes_masks_of_the_images_own_size(compared, suite, tmp_path):
    run = compared.directory / "runs" / "ftp" / "seed-0"
    assert is_segmentation_run(run)
    assert not is_segmentation_run(tmp_path)
    pixels = suite.test.image(0)
    for place, size in (("a", (90, 70)), ("b", (SIZE, SIZE))):
        (tmp_path / place).mkdir()
        Image.fromarray(pixels).resize(size).save(tmp_path / place / "x.png")
    (tmp_path / "bad.png").write_text("no image")
    Image.fromarray(pixels).save(tmp_path / "x-2.png")
    given = [str(tmp_path / name) for name in ("a/x.png", "bad.png", "b/x.png", "x-2.png")]
    skipped: list[str] = []
    drawn = list(predict_masks(run, given, tmp_path / "out", "skip", skipped, "cpu"))
    assert [d.mask.relative_to(tmp_path / "out") for d in drawn] == [
        Path("masks/x.png"),
        Path("masks/x-2.png"),
        Path("masks/x-2-2.png"),
    ]
    assert len(skipped) == 1
    mask = Image.open(drawn[0].mask)
    assert (mask.mode, mask.size, Image.open(drawn[0].overlay).size) == ("P", (90, 70), (90, 70))
    said = np.asarray(Image.open(drawn[1].mask))
    with torch.no_grad():
        batch = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
        assert np.array_equal(said, compared.classifiers["ftp"].model(batch).argmax(1)[0].numpy())
    assert set(drawn[1].classes) == {suite.classes[i] for i in np.unique(said)}
    with pytest.raises(UserError, match=r"bad\.png is not an image"):
        list(predict_masks(run, given, tmp_path / "out"))


# The command


def test_the_command_on_folders(tmp_path, capsys):
    train, test, dark = (
        write_blocks(tmp_path, name, 12, seed) for seed, name in enumerate(("train", "test", "dark"))
    )
    command = Segment(
        train=train, test=test, shift=(f"dark={dark}",), size=SIZE, width=32, method=("fine-tune", "ftp"),
        set=("training.epochs=1", "training.lr=1e-3", "constraint.k=0.5"), corruption=("fog/1",),
        out=tmp_path / "out", device="cpu",
    )  # fmt: skip
    segment(command)
    said = capsys.readouterr().out
    assert "fine-tune" in said
    assert "report.html" in said.replace("\n", "")
    config = (tmp_path / "out" / "runs" / "ftp" / "seed-0" / "config.json").read_text()
    assert '"k": 0.5' in config


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"suite": "voc"}, "unknown suite 'voc' .did you mean voc2012"),
        ({"suite": "voc2012"}, "say with --root DIR"),
        ({"root": Path("x")}, "scenes is in the package"),
        ({"train": Path("x")}, "--test is not"),
        ({"train": Path("x"), "suite": "scenes"}, "exclude each other"),
        ({"method": ("flyp",)}, "unknown method of segmentation 'flyp'"),
        ({"method": ("fine-tune",), "set": ("constraint.k=1",)}, "has no such field"),
        ({"width": 48}, "multiple of 32 channels, not 48"),
        ({"width": 3, "decoder": "unet"}, "multiple of 4 channels, not 3"),
        ({"size": -64}, "not -64 x -64; give another --size"),
        ({"size": 100}, "multiples of 32 pixels, not 100 x 100"),
        ({"seeds": ()}, "no seed is given"),
        ({"train": Path("x"), "test": Path("x"), "shift": ("fog/3=x",)}, "a shift is named 'fog/3'"),
        ({"out": Path(__file__)}, "test_comparing.py is a file"),
        ({"out": Path(__file__) / "below"}, "cannot write into .*below"),
    ],
)
def test_mistakes_of_the_command_are_explained_at_once(fields, said):
    with pytest.raises(UserError, match=said):
        segment(Segment(**fields))
