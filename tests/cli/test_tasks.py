"""The commands of the tasks, as a user types them: segment, predict on its run, continual."""

import csv
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from anchorline.cli import main
from tests.helpers.tiny import COLOURS, write_images

pytest.importorskip("segmentation_models_pytorch")


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    """Red and blue squares on grey, with masks of class indices."""
    root = tmp_path_factory.mktemp("squares")
    rng = np.random.default_rng(0)
    for name, count in (("train", 20), ("test", 6), ("dark", 6)):
        (root / name / "images").mkdir(parents=True)
        (root / name / "masks").mkdir()
        for i in range(count):
            image = rng.normal(128, 12, (64, 64, 3))
            mask = np.zeros((64, 64), np.uint8)
            for index, colour in ((1, (220, 30, 30)), (2, (30, 30, 220))):
                top, left = rng.integers(0, 40, 2)
                image[top : top + 22, left : left + 22] = colour
                mask[top : top + 22, left : left + 22] = index
            shade = 0.5 if name == "dark" else 1.0
            pixels = (image * shade).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / "images" / f"{i}.png")
            Image.fromarray(mask).save(root / name / "masks" / f"{i}.png")
        (root / name / "classes.txt").write_text("ground\nred\nblue\n")
    return root


def test_segment_then_predict(squares, tmp_path, capsys):
    out = tmp_path / "run"
    command = [
        *("segment", "--train", str(squares / "train"), "--test", str(squares / "test")),
        *("--shift", f"dark={squares / 'dark'}", "--method", "fine-tune", "--size", "64"),
        *("--set", "training.epochs=15", "training.lr=3e-3", "--corruption", "brightness/3"),
        *("--device", "cpu"),
        *("--out", str(out)),
    ]
    main(command)
    assert "fine-tune" in capsys.readouterr().out
    rows = pd.read_csv(out / "results.csv")
    found = rows[(rows.metric == "miou")].set_index("set").value
    assert set(found.index) == {"test", "dark", "brightness/3"}
    assert found["test"] > 40  # three classes, of which ground alone would give 20
    assert (out / "report.html").is_file()

    run, masks = out / "runs" / "fine-tune" / "seed-0", tmp_path / "masks"
    photo = tmp_path / "photo.jpg"
    Image.open(squares / "test" / "images" / "0.png").resize((90, 70)).save(photo)
    main(["predict", str(run), str(photo), "--out", str(masks), "--device", "cpu"])
    (line,) = csv.DictReader(capsys.readouterr().out.splitlines())
    assert line["path"] == str(photo)
    drawn, overlay = Image.open(line["mask"]), Image.open(line["overlay"])
    assert drawn.size == overlay.size == (90, 70)
    assert set(np.unique(np.array(drawn))) <= {0, 1, 2}
    names = np.array(["ground", "red", "blue"])
    indices, counts = np.unique(np.array(drawn), return_counts=True)
    assert line["classes"] == "; ".join(names[indices[np.argsort(-counts, kind="stable")]])

    main(["predict", str(run), str(photo), "--out", str(masks), "--format", "jsonl", "--device", "cpu"])
    assert json.loads(capsys.readouterr().out)["mask"] == line["mask"]
    theirs = tmp_path / "theirs"
    (theirs / "masks").mkdir(parents=True)
    (theirs / "masks" / f"{photo.stem}.png").write_bytes(b"drawn by hand")
    for more, sentence in (
        (["--out", str(theirs)], f"holds masks/{photo.stem}.png, which this command did not write"),
        ([], "say with --out DIR where its masks are to lie"),
        (["--out", str(masks), "--encoder", "pictogram-clip"], "leave --encoder out"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(["predict", str(run), str(photo), *more])
        assert stopped.value.code == 2
        said = capsys.readouterr()
        assert sentence in " ".join(said.err.split())
        assert said.out == ""
    assert (theirs / "masks" / f"{photo.stem}.png").read_bytes() == b"drawn by hand"


def test_continual(tiny_directory, tmp_path, monkeypatch, capsys):
    for i, (name, colour) in enumerate({**COLOURS, "white": (240, 240, 240)}.items()):
        write_images(tmp_path / "train" / name, colour, 10, i)
        write_images(tmp_path / "test" / name, colour, 5, 10 + i)
    monkeypatch.setenv("ANCHORLINE_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "run"
    main([
        *("continual", "--train", str(tmp_path / "train"), "--test", str(tmp_path / "test")),
        *("--encoder", f"local-dir:{tiny_directory}", "--device", "cpu", "--tasks", "2"),
        *("--method", "linear-probe", "--set", "training.epochs=3", "--out", str(out)),
    ])  # fmt: skip
    said = capsys.readouterr().out
    assert "linear-probe" in said
    assert "zero-shot" in said
    matrix = pd.read_csv(out / "matrix.csv")
    assert len(matrix[matrix.method == "linear-probe"]) == 1 + 2
    main(["predict", str(out / "runs" / "linear-probe" / "seed-0"), str(tmp_path / "test")])
    assert len(capsys.readouterr().out.splitlines()) == 1 + 20


def test_a_benchmark_of_masks_is_for_segment(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["compare", "--suite", "voc2012", "--root", str(tmp_path)])
    assert "anchorline segment --suite voc2012" in " ".join(capsys.readouterr().err.split())
