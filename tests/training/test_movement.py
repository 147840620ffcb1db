"""How far layers have moved: the farthest row of each, and what a constraint has learned for it."""

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from anchorline.methods.tuned import TunableModel
from anchorline.training.movement import COLUMNS, FILE, movement, read_movement, write_movement


class Layers(TunableModel):
    """A matrix and a bias with pre-trained values, a frozen layer with one, and a head without."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
        self.bias = nn.Parameter(torch.tensor([1.0, -1.0]))
        self.frozen = nn.Parameter(torch.ones(2), requires_grad=False)
        self.head = nn.Parameter(torch.ones(2))

    def anchors(self) -> dict[str, Tensor]:
        weight = torch.tensor([[1.0, 2.5, 2.0], [4.0, 5.0, 7.0]])  # rows are 1.5 and 1 away
        return {"weight": weight, "bias": torch.zeros(2), "frozen": torch.zeros(2)}


ROWS = [[3, "weight", 1.5, 0.75], [3, "bias", 2.0, None]]


def test_the_farthest_row_of_each_trained_parameter_that_has_an_anchor():
    assert movement(Layers(), {"weight": 0.75}, 3) == ROWS


def test_a_model_without_anchors_does_not_move():
    class Fresh(Layers):
        def anchors(self) -> dict[str, Tensor]:
            return {}

    assert movement(Fresh(), {}, 1) == []


def test_it_tracks_no_gradients():
    model = Layers()
    movement(model, {}, 1)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_what_is_written_is_read(tmp_path):
    write_movement(tmp_path, ROWS)
    found = read_movement(tmp_path)
    assert list(found.columns) == COLUMNS
    pd.testing.assert_frame_equal(found, pd.DataFrame(ROWS, columns=COLUMNS))


@pytest.mark.parametrize("before", [True, False])
def test_where_nothing_moved_there_is_no_file_of_another_request(tmp_path, before):
    if before:
        write_movement(tmp_path, ROWS)
    write_movement(tmp_path, [])
    assert not (tmp_path / FILE).exists()
    found = read_movement(tmp_path)
    assert found.empty
    assert list(found.columns) == COLUMNS
