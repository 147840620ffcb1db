"""The commands as a user types them: what they print, what they write, what they say of mistakes."""

import copy
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from open_clip import factory

import anchorline
from anchorline import METHODS, SUITES
from anchorline.cli import main
from tests.helpers.tiny import TINY, write_images


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    """Tables are not squeezed into the width of whatever terminal runs the tests."""
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def command(colour_folders, tiny_directory, tmp_path) -> list[str]:
    """A compare that works, as short as it gets."""
    return [
        "compare",
        *("--train", str(colour_folders / "train"), "--test", str(colour_folders / "test")),
        *("--encoder", f"local-dir:{tiny_directory}", "--out", str(tmp_path / "out")),
    ]


QUICK = ("--set", "training.epochs=2", "training.batch_size=8", "training.lr=1e-3")


def error(capsys, *arguments: str) -> str:
    """The one sentence on standard error; the exit status is 2 and there is no traceback."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    *before, sentence = err.splitlines()
    assert sentence.startswith("anchorline: ")
    assert not any("anchorline:" in line for line in before)
    return sentence.removeprefix("anchorline: ")


def test_compare_then_evaluate(command, colour_folders, tiny_directory, tmp_path, capsys):
    more = [f"--shift=dark={colour_folders / 'dark'}", "--outlier", f"grey={colour_folders / 'grey'}"]
    main([*command, *more, "--method", "linear-probe"])
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].endswith(f" s in all. Report: {tmp_path / 'out' / 'report.html'}")
    assert "note: shift 'dark' holds 2 of the 3 classes; only these compete" in out
    assert all(method in out for method in ("zero-shot", "linear-probe"))
    assert "images in 5 sets" not in out  # what goes on is told on standard error
    assert "3 classes, 79 images in 5 sets" in err
    rows = pd.read_csv(tmp_path / "out" / "results.csv")
    assert set(rows[rows.role != "detection"].set.dropna()) == {"test", "dark", "grey"}

    run = tmp_path / "out" / "runs" / "linear-probe" / "seed-0"
    figures = tmp_path / "figures.csv"
    main(["evaluate", str(run), *command[1:5], *more, "--out", str(figures)])
    out, _ = capsys.readouterr()
    assert "linear-probe on " in out
    key = ["role", "set", "metric", "score", "convention"]
    compared = rows[rows.method == "linear-probe"].set_index(key).value
    evaluated = pd.read_csv(figures).set_index(key).value
    assert not set(evaluated.index) - set(compared.index)
    assert {name for _, _, name, *_ in set(compared.index) - set(evaluated.index)} == {
        "delta_id", "delta_shift", "delta_auroc",
    }  # fmt: skip
    pd.testing.assert_series_equal(evaluated, compared[evaluated.index], rtol=1e-6)
    shown = rows[(rows.method == "linear-probe") & (rows.role != "summary") & (rows.metric == "accuracy")]
    assert len(shown) == 2
    for value in shown.value:
        assert f" {value:.1f} %" in out
    moved = shutil.copytree(tiny_directory, tmp_path / "moved")
    main(["evaluate", str(run), *command[3:5], *more, "--encoder", f"local-dir:{moved}"])  # needs no train
    alone = capsys.readouterr().out
    assert all(f" {value:.1f} %" in alone for value in shown.value)


def test_only_our_own_files_are_written_over(command, tmp_path, capsys):
    main([*command, "--method", "zero-shot"])
    out, page, figures = tmp_path / "out", tmp_path / "page.html", tmp_path / "figures.csv"
    assert "anchorline compare --train " in (out / "report.html").read_text("utf-8")
    reporting = ["report", str(out), "--out", str(page)]
    evaluating = ["evaluate", str(out / "runs/zero-shot/seed-0"), *command[1:5], "--out", str(figures)]
    for arguments, file in (reporting, page), (evaluating, figures):
        main(arguments)
        file.write_bytes(file.read_bytes() + b"grown")
        main(arguments)
        assert not file.read_bytes().endswith(b"grown")
        file.write_text("theirs")
        capsys.readouterr()
        assert f"{file} exists and is not a " in error(capsys, *arguments)
        assert file.read_text() == "theirs"
    assert "belongs to the comparison in" in error(capsys, *reporting[:-1], str(out / "report.html"))


def test_adapt_then_predict(command, colour_folders, tmp_path, capsys, monkeypatch):
    run, test = tmp_path / "run", colour_folders / "test"
    adapting = ["adapt", *command[1:3], *command[5:7], "--method", "fine-tune", *QUICK, "--out", str(run)]
    main(adapting)
    assert "parameters trained in" in (out := capsys.readouterr().out)
    assert out.rstrip().endswith(f"Run: {run}")
    assert "chosen on val: epoch" in out
    facts = json.loads((run / "config.json").read_text())
    assert facts["method"]["training"]["epochs"] == 2
    assert facts["method"]["search"] == []
    main(adapting)  # finished: says the same, at once
    assert capsys.readouterr().out == out

    main(["predict", str(run), str(test / "red"), str(test / "blue" / "0[0-2].png")])
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert list(table.columns) == ["path", "label", "nearest", "probability", "ood_score"]
    assert len(table) == 8 + 3
    assert set(table.nearest) <= {"blue", "green", "red"}
    assert set(table.label) <= {"blue", "green", "red", "unknown"}
    assert table.probability.between(1 / 3, 1).all()

    first, second = (str(test / "red" / name) for name in ("00.png", "01.png"))
    for listed in (f"{first}\n\n{second}\n", f"\ufeff{first}\r\n{second}\r\n", f"{first}\0{second}\0"):
        monkeypatch.setattr("sys.stdin", io.StringIO(listed, newline="\n"))
        main(["predict", str(run), "-", "--format", "jsonl"])
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [line["path"] for line in lines] == [first, second]
        assert lines[0]["nearest"] == table.nearest[0]

    monkeypatch.chdir(tmp_path)
    odd = Path("=1+1 \x1b[31m.png")
    odd.write_bytes((test / "red" / "00.png").read_bytes())
    main(["predict", str(run), str(odd)])
    assert "\n'=1+1 \\x1b[31m.png,red,red," in capsys.readouterr().out  # no formula, no colours
    main(["predict", str(run), str(odd), "--format", "jsonl"])
    assert json.loads(capsys.readouterr().out)["path"] == str(odd)  # as it is

    (tmp_path / "bad.png").write_bytes(b"no")
    assert "bad.png" in error(capsys, "predict", str(run), str(tmp_path / "bad.png"))
    main(["predict", str(run), str(tmp_path / "bad.png"), "--bad-images", "skip"])
    assert "warning: left out: " in capsys.readouterr().err


def test_choices_and_seeds(command, tmp_path, capsys):
    main([*command, "--method", "fine-tune", "coop", *QUICK, "--set", "blend=residual", "--seeds", "0", "1"])
    rows = pd.read_csv(tmp_path / "out" / "results.csv")
    assert rows.groupby("method").seed.nunique().to_dict() == {"zero-shot": 1, "fine-tune": 2, "coop": 2}
    for method in ("fine-tune", "coop"):
        facts = json.loads((tmp_path / "out" / "runs" / method / "seed-1" / "config.json").read_text())
        assert facts["method"]["blend"]["kind"] == "Residual"
        assert facts["alpha"] == 0.4
    out = capsys.readouterr().out
    assert "±" in out


def test_a_constraint_under_what_it_fits(command, tmp_path, capsys):
    main([*command, "--method", "fine-tune", "coop", *QUICK, "--constraint", "ftp"])
    kinds = {
        method: json.loads((tmp_path / "out" / "runs" / method / "seed-0" / "config.json").read_text())[
            "method"
        ]["constraint"]["kind"]
        for method in ("fine-tune", "coop")
    }
    assert kinds == {"fine-tune": "ByFTP", "coop": "Unconstrained"}
    assert "unknown; give one of none, l2-sp, " in error(capsys, *command, "--constraint", "rope")
    held = ["--method", "fine-tune", *QUICK, "--constraint", "ftp"]
    refused = error(capsys, *command, *held, "--set", "constraint.k=2")
    assert "fine-tune/seed-0 holds a finished run with other settings" in refused
    assert "k=2.0: give a number from 0 to 1" in error(
        capsys, *command, *held, "--set", "constraint.k=2", "--overwrite"
    )


def test_a_repeated_flag_adds_to_what_came_before(command, colour_folders, tmp_path):
    folders = [str(colour_folders / name) for name in ("dark", "test", "grey")]
    # fmt: off
    main([
        *command, "--shift", f"a={folders[0]}", f"b={folders[1]}", "--outlier", f"x={folders[2]}",
        f"--shift=c={folders[0]}", "--method", "zero-shot", "--shift", f"d={folders[1]}",
        "--method=linear-probe",
    ])
    # fmt: on
    rows = pd.read_csv(tmp_path / "out" / "results.csv")
    assert list(rows[rows.role == "shift"].set.unique()) == ["a", "b", "c", "d"]
    assert list(rows.method.unique()) == ["zero-shot", "linear-probe"]


def test_a_suite_file_and_skipped_images(command, colour_folders, tmp_path, capsys):
    root = shutil.copytree(colour_folders, tmp_path / "c")
    (root / "test/red/00.png").write_bytes(b"")
    (root / "suite.toml").write_text('train = "train"\ntest = "test"\nbad_images = "skip"\n')
    main([*command[:1], "--suite", str(root / "suite.toml"), *command[5:], "--method", "zero-shot"])
    assert "note: test: 1 bad image skipped" in capsys.readouterr().out
    assert "red/00.png is empty" in error(capsys, *command[:3], "--test", str(root / "test"), *command[5:])
    skipping = ["--bad-images", "skip", "--method", "zero-shot"]
    main([*command[:3], "--test", str(root / "test"), *command[5:], *skipping])
    assert "note: test: 1 bad image skipped" in capsys.readouterr().out


def test_names_are_not_taken_for_markup(command, colour_folders, tmp_path, capsys):
    odd = "[b] :cat:"
    root, out = shutil.copytree(colour_folders, tmp_path / odd), tmp_path / f"out {odd}"
    sets = [
        "--train",
        str(root / "train"),
        "--test",
        str(root / "test"),
        f"--shift=[/x] {odd}={root / 'dark'}",
    ]
    main(["compare", *sets, *command[5:-1], str(out), "--method", "zero-shot"])
    printed = capsys.readouterr().out
    assert f"Report: {out / 'report.html'}" in printed
    assert f"shift '[/x] {odd}' holds 2 of" in printed
    main(["evaluate", str(out / "runs" / "zero-shot" / "seed-0"), *sets])
    printed = capsys.readouterr().out
    assert f"zero-shot on {odd}" in printed
    assert f"[/x] {odd} " in printed
    assert f"unknown method '{odd}'" in error(capsys, *command, "--method", odd)


def test_random_weights_are_loud(command, tmp_path, monkeypatch, capsys):

    monkeypatch.setitem(factory._MODEL_CONFIGS, "ViT-tiny", copy.deepcopy(TINY))
    main([*command, "--encoder", "ViT-tiny", "--method", "zero-shot"])
    assert "warning: ViT-tiny has RANDOM weights" in capsys.readouterr().err
    assert "ViT-tiny has RANDOM weights" in (tmp_path / "out" / "report.html").read_text("utf-8")


# ---- a user's mistakes. TRAIN, TEST, DARK, GREY stand for the folders, HERE for an empty one.

FOLDERS = "--train TRAIN --test TEST"
MISTAKES = {
    "missing folder": ("compare --train HERE/no --test TEST", "the train folder HERE/no does not exist"),
    "missing shift": (f"compare {FOLDERS} --shift a=HERE/no", "HERE/no does not exist"),
    "unknown method": (
        "compare --method linear-prob",
        "unknown method 'linear-prob' (did you mean linear-probe?)",
    ),
    "no directory": (f"compare {FOLDERS} --shift a", "--shift a: expected NAME=PATH, for example --shift "),
    "no name": (f"compare {FOLDERS} --outlier =GREY", "--outlier =GREY: expected NAME=PATH"),
    "empty directory": (f"compare {FOLDERS} --shift=a=", "--shift a=: expected NAME=PATH"),
    "duplicate name": (f"compare {FOLDERS} --shift a=DARK --shift a=TEST", "'a' is given twice"),
    "duplicate across kinds": (f"compare {FOLDERS} --shift a=DARK --outlier a=GREY", "both named 'a'"),
    "taken name": (f"compare {FOLDERS} --shift test=DARK", "is named 'test'"),
    "no test": ("compare --train TRAIN", "no test set was given; name one with --test DIR"),
    "no train": ("compare --test TEST", "--train is not"),
    "only an outlier": ("compare --outlier a=GREY", "--train is not"),
    "unknown suite": ("compare --suite pictogram", "unknown suite 'pictogram' (did you mean pictograms?)"),
    "missing suite file": ("compare --suite HERE/s.toml", "cannot read the suite file HERE/s.toml"),
    "suite and folders": (f"compare --suite pictograms {FOLDERS}", "exclude each other"),
    "flat folder": (f"compare {FOLDERS} --shift a=GREY", "outside any class folder"),
    "unknown class": (f"compare {FOLDERS} --shift a=PINK", "has an unknown class: 'pink'"),
    "known outlier class": (f"compare {FOLDERS} --outlier a=TEST", "a known class"),
    "unknown encoder": (f"compare {FOLDERS} --encoder VitB32", "near it: ViT-B-32"),
    "unknown device": (f"compare {FOLDERS} --encoder TINY --device gpu", "unknown device 'gpu'"),
    "file in the way": (
        f"compare {FOLDERS} --encoder TINY --out FILE",
        "FILE is a file; give",
    ),
    "no value to set": (f"compare {FOLDERS} --set training.epochs", "expected FIELD=VALUE"),
    "nothing to set": (
        f"compare {FOLDERS} --method fine-tune --set training.epoch=1",
        "fine-tune has no such field (did you mean training.epochs?)",
    ),
    "unfit to set": ("adapt --method zero-shot --set training.epochs=1", "zero-shot has no such field"),
    "no images": ("predict HERE", "HERE is not a run that anchorline wrote"),
    "no run": (f"evaluate {FOLDERS}", "no run is given"),
    "not a run": (f"evaluate HERE {FOLDERS}", "HERE is not a run that anchorline wrote"),
    "missing run": (f"evaluate HERE/no {FOLDERS}", "the run HERE/no does not exist; check the path"),
    "unknown architecture": ("encoders nonsense", "no open_clip architecture"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_sentence(case, colour_folders, tiny_directory, tmp_path, capsys):
    line, said = MISTAKES[case]
    (tmp_path / "here").mkdir()
    (tmp_path / "file").touch()
    if "PINK" in line:
        write_images(tmp_path / "pink" / "pink", (255, 150, 200), 2, 0)
    places = {name: str(colour_folders / name.lower()) for name in ("TRAIN", "TEST", "DARK", "GREY")}
    places |= {name: str(tmp_path / name.lower()) for name in ("HERE", "FILE", "PINK")}
    places["TINY"] = f"local-dir:{tiny_directory}"

    def real(text: str) -> str:
        for name, place in places.items():
            text = text.replace(name, place)
        return text

    assert real(said) in error(capsys, *map(real, line.split()))


def test_evaluate_wants_the_classes_of_the_run(command, colour_folders, tmp_path, capsys):
    main([*command, "--method", "zero-shot"])
    capsys.readouterr()
    root = shutil.copytree(colour_folders, tmp_path / "c")
    for name in ("train", "test"):
        (root / name / "red").rename(root / name / "crimson")
    folders = ["--train", str(root / "train"), "--test", str(root / "test")]
    message = error(capsys, "evaluate", str(tmp_path / "out" / "runs" / "zero-shot" / "seed-0"), *folders)
    assert "has ['red'], only the images have ['crimson']" in message
    unlike = [
        "evaluate",
        str(tmp_path / "out" / "runs" / "zero-shot" / "seed-0"),
        "--test",
        str(root / "test"),
    ]
    assert "'crimson'" in error(capsys, *unlike)
    assert "no images are given" in error(capsys, *unlike[:2])


# ---- lists


def test_lists(capsys):
    main(["methods"])
    out = capsys.readouterr().out
    assert "…" not in out  # at 80 columns nothing is cut off
    for row in METHODS.values():
        assert row.name in out
        assert row.about in out.replace("\n", " ")
    main(["suites"])
    out = capsys.readouterr().out
    assert f"pictograms: {len(SUITES['pictograms']().classes)} classes" in out
    assert "shift: emoji" in out
    assert "outlier: country-flags" in out
    main(["encoders"])
    out = capsys.readouterr().out
    assert all(word in out for word in ("pictogram-clip", "hf-hub:OWNER/NAME", "local-dir:DIR", "ViT-B-32: "))
    main(["encoders", "rn101"])
    assert capsys.readouterr().out.split() == [
        "RN101:",
        "openai,",
        "yfcc15m",
        "RN101-quickgelu:",
        "openai,",
        "yfcc15m",
    ]
    main(["--version"])
    assert capsys.readouterr().out == f"anchorline {anchorline.__version__}\n"


def test_the_installed_command():
    script = shutil.which("anchorline", path=Path(sys.executable).parent)
    assert script, "install the package first: pip install -e ."

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [script, *arguments], capture_output=True, text=True, timeout=120, check=True, encoding="utf-8"
        )
        assert done.stderr == ""
        return done.stdout

    usage = run("--help")
    assert all(name in usage for name in ("compare", "evaluate", "methods", "encoders", "suites"))
    assert "linear-probe" in run("methods")


def test_help_does_not_wait_for_torch():
    code = (
        "import sys, anchorline.cli\n"
        "try: anchorline.cli.main(['compare', '--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(' '.join({'torch', 'open_clip', 'sklearn'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    assert done.returncode == 0
    assert "--bad-images" in done.stdout


def test_a_reader_that_has_seen_enough(tmp_path):
    """`anchorline --help | head -1`: no traceback."""
    reads, writes = os.pipe()
    os.close(reads)
    with (tmp_path / "err").open("w+") as err:
        told = subprocess.run(
            [sys.executable, "-m", "anchorline", "--help"], stdout=writes, stderr=err, check=False
        )
        os.close(writes)
        err.seek(0)
        assert (told.returncode, err.read()) == (141, "")
