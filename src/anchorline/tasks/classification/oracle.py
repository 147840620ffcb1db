"""What chooses hyper-parameters: val, or an oracle that nobody has, to show what honest choice costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from anchorline.errors import UserError
from anchorline.methods.table import Method
from anchorline.suites.images.image_set import joined
from anchorline.suites.suite import Suite

Select = Literal["val", "oracle"]
CHOOSING: dict[Select, str] = {"val": "val", "oracle": "test and shifts"}
ORACLE = " (oracle)"  # ends the name of every method that it chose for


def chosen_by(select: Select, row: Method) -> Method:
    """The row as it is called when this chooses. Raises `UserError` where an oracle would train."""
    if select == "val" or row.objective is None:  # nothing is chosen for what is not trained
        return row
    if row.constraint.learns_on_val:
        raise UserError(
            f"{row.name} learns on the images that choose, so that --select oracle would train it on test; "
            "leave it out with --method"
        )
    return replace(row, name=row.name + ORACLE)


def chooser(row: Method) -> Select:
    """What chose for a row that `chosen_by` gave."""
    return "oracle" if row.name.endswith(ORACLE) else "val"


def learnt_suite(select: Select, suite: Suite) -> Suite:
    """The suite to adapt to: with the oracle, test and all shifts stand in for val."""
    if select == "val":
        return suite
    return replace(suite, val=joined(CHOOSING[select], [suite.test, *suite.shifts.values()]))
