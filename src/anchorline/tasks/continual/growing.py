"""How what is trained grows with the classes, and how it goes from one task to the next."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from anchorline.encoders.encoder import Encoder
from anchorline.methods.tunables import AdaptedModel
from anchorline.methods.tunables.programs import Reprogrammed

_TOWER = "tower."


def carried(
    before: AdaptedModel, old: Sequence[str], fresh: AdaptedModel, classes: Sequence[str]
) -> dict[str, Tensor]:
    """The tuned tensors of `before`, of `old` classes, in the shapes of `fresh`, of `classes`, which hold the
    old ones.

    Classes are found by name, and the text program's rows by token; what `before` lacks (rows of new classes,
    of tokens that no caption had) stays as `fresh` starts it.
    """
    grown = fresh.tuned()
    heads = torch.tensor([classes.index(name) for name in old])
    for name, tensor in before.tuned().items():
        if name.startswith("head."):
            places = heads
        elif name == "text_program.rows":
            ours, theirs = _row_of(before), _row_of(fresh)
            places = theirs[torch.nonzero(ours < len(tensor)).squeeze(1)]
        elif tensor.shape == grown[name].shape:
            grown[name] = tensor
            continue
        else:  # positions grow at their end
            places = torch.arange(len(tensor))
        grown[name][places] = tensor
    return grown


def _row_of(adaptation: AdaptedModel) -> Tensor:
    """The text program's row of each token, int64 [vocabulary], on the CPU."""
    assert isinstance(adaptation, Reprogrammed)
    assert adaptation.text_program is not None
    return adaptation.text_program.get_buffer("row_of").cpu()


def as_of(encoder: Encoder, tuned: Mapping[str, Tensor]) -> Encoder:
    """The encoder with the image tower of a task, to be the anchor of the next one."""
    tower = {name.removeprefix(_TOWER): t for name, t in tuned.items() if name.startswith(_TOWER)}
    later = replace(encoder, model=copy.deepcopy(encoder.model))
    later.image_tower.load_state_dict(tower, strict=False)
    return later
