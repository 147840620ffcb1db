"""Every row of the table over every family of encoders: all rows on CLIP, six rows on the others, and with
`--all-cells` (make families) the rest."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from anchorline import METHODS, Encoder, FeatureStore, Suite, load_encoder
from tests.contracts.cell import check_cell
from tests.helpers.tiny import COLOURS, write_images

pytest.importorskip("transformers")
from tests.helpers.families import FAMILIES, make_family

SIX = (
    "zero-shot",
    "linear-probe",
    "fine-tune",
    "flyp",
    "coop",
    "reprogrammer",
)  # one for each kind of tunable


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "row" not in metafunc.fixturenames:
        return
    whole = metafunc.config.getoption("all_cells")
    cells = [
        (family, row) for family in FAMILIES for row in METHODS if whole or family == "CLIP" or row in SIX
    ]
    metafunc.parametrize(
        ("family", "row"),
        [pytest.param(*cell, marks=pytest.mark.xdist_group(cell[0]), id=" - ".join(cell)) for cell in cells],
    )


@pytest.fixture(scope="session")
def encoder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Encoder, FeatureStore]]:
    """Of a family's name: its encoder, and features that were computed before."""

    @functools.lru_cache(maxsize=2)
    def made(family: str) -> tuple[Encoder, FeatureStore]:
        root = tmp_path_factory.mktemp("families")
        directory = make_family(family, root)
        return load_encoder(f"local-dir:{directory}", "cpu"), FeatureStore(root / "store")

    return made


@pytest.fixture(scope="session")
def few_colours(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    root: Path = tmp_path_factory.mktemp("few")
    for i, (name, colour) in enumerate(COLOURS.items()):
        for part, count in (("train", 4), ("val", 2), ("test", 2)):
            write_images(root / part / name, colour, count, 10 * count + i)
    return Suite.from_folders(root / "train", root / "test", val=root / "val", name="few")


def test_cell(family, row, encoder_of, few_colours, tmp_path):
    encoder, store = encoder_of(family)
    check_cell(METHODS[row], encoder, few_colours, store, tmp_path)


def test_there_are_twenty_eight_families_and_a_row_for_each_kind_of_tunable():
    assert len(FAMILIES) == 28
    assert {type(METHODS[row].tunable) for row in SIX} == {type(row.tunable) for row in METHODS.values()}


def test_each_family_has_a_hash_of_its_own(encoder_of):
    assert len({encoder_of(family)[0].hash for family in FAMILIES}) == len(FAMILIES)
