"""How many images adapting broke and mended, as a table."""

import math

import pandas as pd

from anchorline.report.cells import DASH, Cell, Column, Table, signed


def changes_table(label: str, changes: pd.DataFrame) -> Table:
    """Images by set: broken, mended, and what is won on balance."""
    columns = [Column("Set"), *(Column(c, "images") for c in ("broken", "mended", "balance"))]
    rows = []
    for name, broken, mended in changes[["broken", "mended"]].itertuples():
        balance = float(mended) - float(broken)
        tone = "gain" if balance > 0 else "loss" if balance < 0 else ""
        rows.append(
            [
                Cell(str(name)),
                _count(broken),
                _count(mended),
                Cell(DASH) if math.isnan(balance) else Cell(signed(balance, 0), "", balance, tone),
            ]
        )
    return Table(label, columns, rows)


def _count(images: float) -> Cell:
    return Cell(DASH) if math.isnan(images) else Cell(f"{images:,.0f}", "", float(images))
