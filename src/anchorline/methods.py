"""The table of methods. A method is four choices: what is trained, what for, what holds it, how it blends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from anchorline.errors import UserError


@dataclass(frozen=True)
class Method:
    """One row of the table.

    Attributes:
        name: for the command line and all tables.
        about: one line for a newcomer.
        tunable: what is trained.
        objective: what for.
        constraint: what holds the trained weights to the pre-trained ones.
        blend: how adapted and pre-trained meet at inference.
        captions: class captions: the mean over the encoder's "templates", or the paper's "single" one.
        l2: strengths of the penalty ½·l2·‖W‖² per training image to choose from, on val.
        source: the paper.
    """

    name: str
    about: str
    tunable: Literal["nothing", "head"]
    objective: Literal["-", "cross-entropy"] = "-"
    constraint: Literal["none"] = "none"
    blend: Literal["none"] = "none"
    captions: Literal["templates", "single"] = "templates"
    l2: tuple[float, ...] = ()
    source: str = ""


UNTOUCHED = "zero-shot"  # the row that all changes are measured against

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            name=UNTOUCHED,
            about="the untouched encoder; class weights are the mean of several captions",
            tunable="nothing",
            source="Radford et al. 2021, arXiv 2103.00020, section 3.1.4",
        ),
        Method(
            name="zero-shot-single",
            about='the untouched encoder with one caption a class, "a photo of a {class}"',
            tunable="nothing",
            captions="single",
            source="Geng & Chen 2024, arXiv 2403.10800",
        ),
        Method(
            name="linear-probe",
            about="a linear classifier on the frozen image features",
            tunable="head",
            objective="cross-entropy",
            # The protocol of arXiv 2103.00020, appendix A.3: L-BFGS, strength swept on val in
            # logarithmic steps. Strong end: weights near zero; weak end: the training set is fitted.
            l2=(1e-1, 1e-2, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 1e-6),
            source="Radford et al. 2021, arXiv 2103.00020, appendix A.3",
        ),
    )
}


def find_method(name: str) -> Method:
    """The row of that name. Raises `UserError` with the names that exist."""
    if name not in METHODS:
        raise UserError(f"unknown method {name!r}; the methods are {', '.join(METHODS)}")
    return METHODS[name]
