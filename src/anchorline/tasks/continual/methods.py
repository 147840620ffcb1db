"""The table of continual methods: a row of the method table, and how it goes from task to task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from anchorline.errors import UserError, unknown
from anchorline.methods.constraints import ByFTP, ByL2SP, Constraint
from anchorline.methods.hyperparameters import Training
from anchorline.methods.objectives import CrossEntropy
from anchorline.methods.settings import override, override_each, validate
from anchorline.methods.table import METHODS as ROWS
from anchorline.methods.table import Method
from anchorline.methods.tunables import Head
from anchorline.metric import UNTOUCHED


@dataclass(frozen=True)
class ContinualMethod:
    """One row.

    Attributes:
        method: what is trained in each task, what for, what holds it, how it blends at inference; its search
            is one learning rate for the whole sequence.
        anchor: what a constraint holds the image tower to: the pre-trained weights, or those that the task
            before has left. Trained weights go on from the task before in either case.
        between: share of the weights from before a task that is blended in after it.
        joint: no sequence: after each task, all images of all tasks so far are learnt at once, from the
            pre-trained weights.
    """

    method: Method
    anchor: Literal["pre-trained", "previous task"] = "pre-trained"
    between: float = 0.0
    joint: bool = False

    @property
    def name(self) -> str:
        return self.method.name

    @property
    def about(self) -> str:
        """One line for a newcomer."""
        return self.method.about


# A task has few images: smaller batches than where all classes are learnt at once give it some steps. Every
# row has the same budget of epochs and two learning rates, of which val takes one for the whole sequence.
_EPOCHS, _BATCH = 10, 16
_TOWER = Training(epochs=_EPOCHS, batch_size=_BATCH, augmentation="crop", weight_decay=0.01)
_SMITH = "Smith et al. 2023, arXiv 2203.17269"


def _row(
    name: str,
    about: str,
    rates: tuple[float, float],
    *,
    base: str = "fine-tune",
    constraint: Constraint | None = None,
    source: str,
) -> Method:
    """A row of the method table, with the budget of a task and two learning rates."""
    method = ROWS[base]
    assert method.training is not None
    return replace(
        method,
        name=name,
        about=about,
        constraint=constraint or method.constraint,
        training=replace(method.training, epochs=_EPOCHS, batch_size=_BATCH),
        search=(("training.lr", rates),),
        source=source,
    )


_RATES = (2e-4, 1e-3)
_FTP = "Tian et al. 2023, arXiv 2310.19182"

METHODS: dict[str, ContinualMethod] = {
    row.name: row
    for row in (
        ContinualMethod(ROWS[UNTOUCHED]),
        ContinualMethod(
            Method(
                name="linear-probe",
                about="a head on frozen features, which starts from the captions and grows with the classes",
                tunable=Head(),
                objective=CrossEntropy(),
                training=replace(_TOWER, augmentation="none"),
                search=(("training.lr", (1e-2, 1e-1)),),
                source=_SMITH,
            )
        ),
        ContinualMethod(
            _row(
                "fine-tune",
                "all weights of the image tower and the head, task after task",
                _RATES,
                source=_SMITH,
            )
        ),
        ContinualMethod(
            _row(
                "l2-sp",
                "a penalty on the squared distance from the weights that the task before has left",
                _RATES,
                constraint=ByL2SP(strength=1.0),
                source=f"{_SMITH}; Li et al. 2018, arXiv 1802.01483",
            ),
            anchor="previous task",
        ),
        ContinualMethod(
            _row(
                "ftp",
                "within a learned radius of the pre-trained weights; both go on from task to task",
                _RATES,
                constraint=ByFTP(),
                source=_FTP,
            )
        ),
        ContinualMethod(
            _row(
                "ftp-previous",
                "within a learned radius of the weights that the task before has left",
                _RATES,
                constraint=ByFTP(),
                source=_FTP,
            ),
            anchor="previous task",
        ),
        ContinualMethod(
            _row(
                "wise-ft",
                "fine-tuning; after each task, the mean of the weights before and after it",
                _RATES,
                source="Ilharco et al. 2022, arXiv 2208.05592 (sequential patching); at one half, the share "
                "that Wortsman et al. 2022, arXiv 2109.01903, recommend",
            ),
            between=0.5,
        ),
        ContinualMethod(
            _row(
                "residual-reprogrammer",
                "learned frames and caption inputs that go on from task to task, and 40 % of the untouched "
                "encoder's features",
                (5e-4, 1.5e-3),
                base="residual-reprogrammer",
                source="Geng & Chen 2024, arXiv 2403.10800",
            )
        ),
        ContinualMethod(
            _row(
                "joint",
                "no sequence: all images of all tasks so far at once, the upper bound",
                _RATES,
                source=_SMITH,
            ),
            joint=True,
        ),
    )
}


def find_continual(name: str) -> ContinualMethod:
    """The row of that name. Raises `UserError` with the names that exist."""
    if name not in METHODS:
        raise unknown("continual method", name, METHODS)
    return METHODS[name]


def changed(rows: Sequence[ContinualMethod], settings: Mapping[str, str]) -> list[ContinualMethod]:
    """The rows with choices changed, {"training.epochs": "5"}, in all that have them.

    Raises `UserError` for a choice that fits none.
    """
    return override_each(rows, settings, lambda row, one: replace(row, method=override(row.method, one)))


def check(row: ContinualMethod) -> None:
    """Raises `UserError` for a row that a sequence cannot run."""
    validate(row.method)
    if row.method.constraint.learns_on_val:
        raise UserError(
            f"{row.name} learns on val, which chooses the learning rate of a sequence; leave "
            f"{row.method.constraint.name} out"
        )
    if row.method.blend.alpha is None:
        raise UserError(f"{row.name} needs a fixed strength of its blend; give one with --set blend.alpha=…")
