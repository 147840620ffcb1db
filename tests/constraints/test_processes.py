"""Two gloo processes come to what one comes to: replicas of the model, and shards of it."""

import os
import subprocess
import sys
from itertools import combinations, product
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.helpers.constrained import assert_near
from tests.helpers.constrained_process import CASES, PLACES, run

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> dict[str, object]:
    """What the first of two processes has written."""
    folder = tmp_path_factory.mktemp("processes")
    done = subprocess.run(
        [sys.executable, "-m", "tests.helpers.constrained_process", str(folder)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return torch.load(folder / "ended.pt")


@pytest.fixture(scope="module")
def ended(told) -> dict[tuple[str, str, str], tuple[dict[str, Tensor], list[int]]]:
    return told["ended"]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: " ".join(place[:2]) + " resumed" * place[2])
@pytest.mark.parametrize("case", CASES)
def test_two_processes_come_to_what_one_comes_to(ended, case, place):
    anchor, where, _ = place
    alone, _ = run(case, anchor)
    found, _ = ended[case, anchor, where]
    assert_near(found, alone, 1e-10)


def test_the_cases_differ():
    ends = [run(case, anchor)[0] for case, anchor in product(CASES, ("copied", "given"))]
    for one, other in combinations(ends, 2):
        assert max((one[name] - other[name]).abs().max() for name in one) > 1e-5


@pytest.mark.parametrize("case", ["ftp", "ftp exact"])
def test_sharded_ftp_takes_one_collective_a_step(ended, case):
    for anchor in ("copied", "given"):
        _, (_, *later) = ended[case, anchor, "fsdp"]
        assert set(later) == {1}
    assert set(ended[case, "copied", "ddp"][1]) == {0}


def test_shards_of_other_dimensions_are_refused(told):
    assert told["refusal"].endswith("only shards of dimension 0 work")
