"""Memory: what says that it is full, and what is done and said then."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from anchorline.cli import main
from anchorline.encoders.encoder import encode_pixels
from anchorline.engine.memory import out_of_memory, peak_memory

CPU = torch.device("cpu")


def refusal() -> RuntimeError:
    """torch's own, for what no machine has."""
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    return caught.value


def test_what_says_that_memory_is_full():
    assert all(map(out_of_memory, (MemoryError(), torch.OutOfMemoryError("CUDA out of memory."), refusal())))
    assert not any(map(out_of_memory, (RuntimeError("shapes do not fit"), ValueError("memory"))))


def test_this_process_has_taken_some():
    assert 50 < peak_memory(CPU) < 1e6  # MiB


@pytest.mark.parametrize("most", [1, 5, 100])
def test_batches_shrink_until_they_fit(most):
    sizes = []

    def forward(images: Tensor) -> Tensor:
        if len(images) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        sizes.append(len(images))
        return images.flatten(1)[:, :3]

    pixels = np.random.default_rng(0).integers(0, 256, (37, 4, 4, 3), np.uint8)
    told = []
    found = encode_pixels(forward, pixels, CPU, lambda done, total: told.append((done, total)))
    assert torch.equal(found, encode_pixels(lambda images: images.flatten(1)[:, :3], pixels, CPU, None))
    assert max(sizes) <= most
    assert told[-1] == (37, 37)


def test_one_image_that_does_not_fit_is_an_error_and_so_is_any_other():
    pixels = np.zeros((4, 4, 4, 3), np.uint8)
    for error in (MemoryError("no"), RuntimeError("shapes do not fit")):

        def forward(images: Tensor, error: Exception = error) -> Tensor:
            raise error

        with pytest.raises(type(error), match=str(error)):
            encode_pixels(forward, pixels, CPU, None)


def test_the_command_line_says_what_to_give(monkeypatch, capsys):
    def full(command: object) -> None:
        raise refusal()

    commands = main.__globals__["_COMMANDS"]
    for kind in commands:
        monkeypatch.setitem(commands, kind, full)
    with pytest.raises(SystemExit) as caught:
        main(["methods"])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert "memory is full (" in said
    assert "--set training.grad_accumulation_steps=4" in said
