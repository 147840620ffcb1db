"""How far each layer has moved from its pre-trained weights, epoch by epoch, and how far it might."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from anchorline.constraints.projection import row_norms
from anchorline.engine.storage import write_text
from anchorline.methods.tunables import TunableModel

FILE = "movement.csv"
COLUMNS = ["epoch", "parameter", "deviation", "radius"]


@torch.no_grad()
def movement(model: TunableModel, radii: Mapping[str, float], epoch: int) -> list[list[Any]]:
    """Rows of COLUMNS, one for each trained parameter that has a pre-trained value.

    The deviation is that of its farthest row, |W - W0| as a sum of absolute values; the radius is what a
    constraint has learned for it (`Constraint.radii`), or None.
    """
    anchors = model.anchors()
    moved = {
        name: row_norms(parameter - anchors[name]).max()
        for name, parameter in model.named_parameters()
        if name in anchors and parameter.requires_grad
    }
    if not moved:
        return []
    deviations = torch.stack(list(moved.values())).tolist()
    return [[epoch, name, d, radii.get(name)] for name, d in zip(moved, deviations, strict=True)]


def write_movement(run: Path, rows: list[list[Any]]) -> None:
    """One file in the run directory, or none where nothing moved: never that of another request."""
    if not rows:
        (run / FILE).unlink(missing_ok=True)
        return
    write_text(run / FILE, pd.DataFrame(rows, columns=COLUMNS).to_csv(index=False))


def read_movement(run: Path) -> pd.DataFrame:
    """What `write_movement` wrote there; empty if nothing."""
    try:
        return pd.read_csv(run / FILE)
    except OSError:
        return pd.DataFrame(columns=COLUMNS)
