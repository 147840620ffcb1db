"""The first of several processes writes and decides; one alone asks nobody."""

import json

import pytest

from anchorline.engine.distributed import (
    from_main_process,
    is_distributed,
    is_main_process,
    main_process_first,
    on_cpu,
)
from tests.helpers.launching import in_two_processes


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> list[dict[str, object]]:
    """What each of two processes has learned, in the order of their ranks."""
    folder = tmp_path_factory.mktemp("processes")
    in_two_processes("distributed_process.py", str(folder))
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


def test_there_are_two(told):
    assert [one["processes"] for one in told] == [2, 2]
    assert [one["distributed"] for one in told] == [True, True]
    assert [one["main"] for one in told] == [True, False]
    assert [one["on_cpu"] for one in told] == [True, True]


def test_the_others_find_what_the_first_wrote(told):
    assert [one["found"] for one in told] == [False, True]


def test_the_first_decides_and_the_others_are_not_asked(told):
    assert [one["decided"] for one in told] == [{"of": [0]}] * 2
    assert [one["asked"] for one in told] == [1, 0]
    assert [one["nothing"] for one in told] == [None, None]


@pytest.fixture
def alone(monkeypatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "ACCELERATE_USE_CPU"):
        monkeypatch.delenv(name, raising=False)


def test_one_alone_is_the_first(alone):
    assert is_main_process()
    assert not is_distributed()
    with main_process_first():
        assert from_main_process(lambda: "ours") == "ours"


@pytest.mark.parametrize(
    ("said", "gpu", "expected"),
    [
        ("", False, True),
        ("", True, False),
        ("false", True, False),
        ("True", True, True),
        ("1", True, True),
    ],
)
def test_processes_stay_on_cpus_where_there_is_no_gpu_or_accelerate_says_so(
    alone, monkeypatch, said, gpu, expected
):
    monkeypatch.setenv("ACCELERATE_USE_CPU", said)
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpu)
    assert on_cpu() == expected
