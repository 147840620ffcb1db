"""What the command line asks to be measured: read whole, or one sentence."""

from pathlib import Path

import pytest

from anchorline import UserError
from anchorline.cli.inputs import read_options
from anchorline.cli.options import MeasureOptions
from anchorline.evaluation.base import Options

MODELS = "name,shift_accuracy,id_accuracy\nx,50,75\ny,62.5,80\n"


def write(file: Path, text: str | bytes) -> Path:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_nothing_asked_is_nothing_more():
    assert read_options(MeasureOptions()) == Options() == Options((), {}, (), 0.95)


def test_all_that_can_be_asked(tmp_path):
    animals = write(tmp_path / "animals.txt", "cat\n\n  großer hund \r\n")
    models = write(tmp_path / "models.csv", MODELS)
    given = MeasureOptions(("fog/3", "contrast/1", "fog/3"), (f"animals={animals}",), models, 0.5)
    assert read_options(given) == Options(
        corruptions=(("fog", 3), ("contrast", 1)),
        subsets={"animals": ("cat", "großer hund")},
        reference=((0.75, 0.5), (0.8, 0.625)),
        keep=0.5,
    )
    assert len(read_options(MeasureOptions(("blur",))).corruptions) == 4 * 5
    assert read_options(MeasureOptions(keep=1)).keep == 1


@pytest.mark.filterwarnings("ignore:Length of header")
def test_a_delimiter_at_the_end_of_each_line_moves_no_column(tmp_path):
    file = write(tmp_path / "models.csv", "id_accuracy,shift_accuracy\n70,60,\n80,70,\n")
    assert read_options(MeasureOptions(reference=file)).reference == ((0.7, 0.6), (0.8, 0.7))


def refused(given: MeasureOptions) -> str:
    with pytest.raises(UserError) as caught:
        read_options(given)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize("keep", [0, -0.1, 1.01, 95, float("nan")])
def test_a_share_out_of_range(keep):
    assert refused(MeasureOptions(keep=keep)) == f"--keep {keep:g} is no share; give one above 0, at most 1"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "No such file"),
        ("", "No columns to parse"),
        ("id_accuracy,shift_accuracy\n", "two points"),
        ("id_accuracy,shift_accuracy\n70,50\n", "two points"),
        ("id_accuracy,shift_accuracy\n70,50\n70,60\n", "different id accuracy"),
        ("id_accuracy,shift\n70,50\n80,60\n", "shift_accuracy"),
        ("id,shift\n70,50\n80,60\n", "id_accuracy"),
        ("id_accuracy,shift_accuracy\n70,50\n80,good\n", "good"),
        ("id_accuracy,shift_accuracy\n70,50\n80,\n", "not between 0 and 100"),
        ("id_accuracy,shift_accuracy\n70,50\n180,60\n", "not between 0 and 100"),
        ("id_accuracy,shift_accuracy\n70,50\n80,60,70\n", "line 3"),
        (b"id_accuracy,shift_accuracy\n\xff,50\n80,60\n", "decode"),
    ],
)
def test_reference_models_that_cannot_be_used(text, reason, tmp_path):
    file = tmp_path / "models.csv"
    if text is not None:
        write(file, text)
    sentence = refused(MeasureOptions(reference=file))
    assert sentence.startswith(f"cannot use {file} as reference models (")
    assert reason in sentence
    assert sentence.endswith(
        "); give a CSV with the columns id_accuracy and shift_accuracy in percent, and two models or more"
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("FILE", "--subset FILE: expected NAME="),
        ("a=HERE/no.txt", "cannot read HERE/no.txt ("),
        ("a=HERE", "cannot read HERE ("),
        ("a=BINARY", "cannot read BINARY ("),
        ("a=EMPTY", "EMPTY names no class; write class names, a line each"),
    ],
)
def test_subsets_that_cannot_be_read(given, said, tmp_path):
    places = {
        "FILE": write(tmp_path / "names.txt", "cat\n"),
        "BINARY": write(tmp_path / "binary.txt", b"\xff\xfe\x00"),
        "EMPTY": write(tmp_path / "empty.txt", " \n\n"),
        "HERE": tmp_path,
    }
    for name, place in places.items():
        given, said = given.replace(name, str(place)), said.replace(name, str(place))
    assert refused(MeasureOptions(subset=(given,))).startswith(said)


def test_a_title_given_twice(tmp_path):
    file = write(tmp_path / "names.txt", "cat\n")
    assert "'a' is given twice" in refused(MeasureOptions(subset=(f"a={file}", f"a={file}")))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("fogg", "there is no corruption 'fogg'"),
        ("fog/6", "the severity 6 of fog does not exist"),
        ("fog/x", "'fog/x' is no corruption"),
    ],
)
def test_an_unknown_corruption(given, said):
    assert refused(MeasureOptions(corruption=("contrast", given))).startswith(said)
