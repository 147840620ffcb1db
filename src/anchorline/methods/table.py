"""The table of methods. A method is four choices: what is trained, what for, what holds it, how it blends."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from anchorline.engine.plugins import Table
from anchorline.errors import unknown
from anchorline.methods.blends import Blend, Residual, Unblended, Weights
from anchorline.methods.constraints import ByFTP, ByL2SP, ByMARSSP, BySPD, ByTPGM, Constraint, Unconstrained
from anchorline.methods.hyperparameters import Training
from anchorline.methods.objectives import Contrastive, CrossEntropy, Objective
from anchorline.methods.tunables import BothTowers, Head, ImageTower, Nothing, Programs, Prompt, Tunable
from anchorline.metric import UNTOUCHED

Search = tuple[tuple[str, tuple[Any, ...]], ...]


@dataclass(frozen=True)
class Method:
    """One row of the table.

    Attributes:
        name: for the command line and all tables.
        about: one line for a newcomer.
        tunable: what is trained.
        objective: what for; None if nothing is trained.
        constraint: what holds the trained weights to the pre-trained ones.
        blend: how adapted and pre-trained meet at inference.
        training: how gradients are followed; None if there are none to follow.
        search: fields ("training.lr") and the values to try; val chooses.
        captions: class captions: the mean over the encoder's "templates", the Reprogrammer's "single" one, or
            one of the method's own, with `{}` for the class.
        source: the paper.
    """

    name: str
    about: str
    tunable: Tunable
    objective: Objective | None = None
    constraint: Constraint = field(default_factory=Unconstrained)
    blend: Blend = field(default_factory=Unblended)
    training: Training | None = None
    search: Search = ()
    captions: str = "templates"
    source: str = ""

    @property
    def trains_weights(self) -> bool:
        """Whether pre-trained weights are trained, which a constraint can hold."""
        return self.tunable.trains_weights


# Every method that follows gradients has the same budget: as many epochs, and four learning rates around the
# usual ones of its kind, chosen on val. Large pre-trained towers want the lowest, small ones the highest.
_EPOCHS = 10
_TOWER = Training(epochs=_EPOCHS, augmentation="crop", weight_decay=0.01)
_TOWER_RATES: Search = (("training.lr", (1e-5, 5e-5, 2e-4, 1e-3)),)
_HELD_RATES = ("training.lr", (2e-4, 1e-3))  # two rates, and two strengths of what holds the weights
# No clipping, as released: it would not scale a decay within the gradient. The released frame has 9,775 steps
# at rates up to 5e-3 to go as far as these go in a few dozen.
_INPUTS = Training(epochs=_EPOCHS, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.1, max_grad_norm=0.0)
_INPUT_RATES: Search = (("tunable.frame_lr", (0.05, 0.15)), ("training.lr", (5e-4, 1.5e-3)))
_REPROGRAMMER = "Geng & Chen 2024, arXiv 2403.10800"

METHODS: Table[Method] = Table(
    (method.name, method)
    for method in (
        Method(
            name=UNTOUCHED,
            about="the untouched encoder; class weights are the mean of several captions",
            tunable=Nothing(),
            source="Radford et al. 2021, arXiv 2103.00020, section 3.1.4",
        ),
        Method(
            name="zero-shot-single",
            about='the untouched encoder with one caption a class, "a photo of a {class}"',
            tunable=Nothing(),
            captions="single",
            source=_REPROGRAMMER,
        ),
        Method(
            name="linear-probe",
            about="a linear classifier on the frozen image features",
            tunable=Head(start_from="linear-probe"),
            objective=CrossEntropy(),
            source="Radford et al. 2021, arXiv 2103.00020, appendix A.3",
        ),
        Method(
            name="fine-tune",
            about="all weights of the image tower, and a head that starts from the captions",
            tunable=ImageTower(),
            objective=CrossEntropy(),
            training=_TOWER,
            search=_TOWER_RATES,
            source="Wortsman et al. 2022, arXiv 2109.01903, section 2",
        ),
        Method(
            name="lp-ft",
            about="a linear probe first, then fine-tuning from it",
            tunable=ImageTower(start_from="linear-probe"),
            objective=CrossEntropy(),
            training=_TOWER,
            search=_TOWER_RATES,
            source="Kumar et al. 2022, arXiv 2202.10054",
        ),
        Method(
            name="wise-ft",
            about="fine-tuning, then a mean of fine-tuned and pre-trained weights; its share chosen on val",
            tunable=ImageTower(),
            objective=CrossEntropy(),
            blend=Weights(),
            training=_TOWER,
            search=_TOWER_RATES,
            source="Wortsman et al. 2022, arXiv 2109.01903",
        ),
        *(
            # Held weights have no decay to zero; the head, which is free, has that of the released code.
            Method(
                name=name,
                about=about,
                tunable=ImageTower(),
                objective=CrossEntropy(),
                constraint=constraint,
                training=replace(_TOWER, weight_decay=head_decay),
                search=search,
                source=source,
            )
            for name, about, constraint, head_decay, search, source in (
                (
                    "l2-sp",
                    "fine-tuning with a penalty on the squared distance from the pre-trained weights",
                    ByL2SP(),
                    0.01,
                    (_HELD_RATES, ("constraint.strength", (1e-2, 1.0))),
                    "Li et al. 2018, arXiv 1802.01483",
                ),
                (
                    "mars-sp",
                    "fine-tuning with a penalty on the farthest row of each tensor",
                    ByMARSSP(),
                    0.0,
                    (_HELD_RATES, ("constraint.strength", (1e-4, 1e-2))),
                    "Gouk et al. 2021, arXiv 2002.08253",
                ),
                (
                    "tpgm",
                    "fine-tuning within a radius of the pre-trained weights, which is learned on val",
                    ByTPGM(),
                    5e-4,
                    _TOWER_RATES,
                    "Tian et al. 2023, arXiv 2303.10720",
                ),
                (
                    "ftp",
                    "fine-tuning within a radius of the pre-trained weights, which is learned on train",
                    ByFTP(),
                    0.0,
                    (_HELD_RATES, ("constraint.k", (0.0, 1.0))),
                    "Tian et al. 2023, arXiv 2310.19182",
                ),
                (
                    "spd",
                    "fine-tuning that decays those tensors whose gradient pulls back to their first values",
                    BySPD(),
                    0.0,
                    (_HELD_RATES, ("constraint.strength", (0.3, 1.0))),
                    "Tian et al. 2024, arXiv 2411.01713",
                ),
            )
        ),
        Method(
            name="flyp",
            about="both towers, trained as they were pre-trained: images against captions of their classes",
            tunable=BothTowers(),
            objective=Contrastive(duplicates="negatives"),
            training=replace(_TOWER, max_grad_norm=0.0),
            search=_TOWER_RATES,
            source="Goyal et al. 2023, arXiv 2212.00638",
        ),
        Method(
            name="bitfit",
            about="only the biases of the image tower, and a head that starts from the captions",
            tunable=ImageTower(parameters=("*bias",)),
            objective=CrossEntropy(),
            training=Training(epochs=_EPOCHS, augmentation="crop"),
            search=(("training.lr", (1e-4, 5e-4, 2e-3, 1e-2)),),
            source="Ben Zaken et al. 2022, arXiv 2106.10199",
        ),
        Method(
            name="visual-prompt",
            about="a learned frame added to every image; encoder and captions stay",
            tunable=Programs(
                text=False,
                width=30 / 224,
                squash="none",
                frame_optimizer="sgd",
                frame_lr=40.0,
                frame_decay=0.0,
            ),
            objective=CrossEntropy(),
            training=Training(epochs=_EPOCHS, max_grad_norm=0.0),
            search=(("tunable.frame_lr", (1.0, 4.0, 13.0, 40.0)),),
            captions="This is a photo of a {}",
            source="Bahng et al. 2022, arXiv 2203.17274",
        ),
        Method(
            name="coop",
            about='the words "a photo of a" as vectors that are learned; encoder and images stay',
            tunable=Prompt(),
            objective=CrossEntropy(),
            training=Training(
                epochs=_EPOCHS, optimizer="sgd", weight_decay=5e-4, augmentation="crop", max_grad_norm=0.0
            ),
            search=(("training.lr", (2e-3, 2e-2, 2e-1, 2.0)),),
            captions="a photo of a {}.",
            source="Zhou et al. 2022, arXiv 2109.01134",
        ),
        Method(
            name="text-program",
            about="learned inputs of captions; encoder and images stay",
            tunable=Programs(image=False),
            objective=Contrastive(focal=True),
            training=_INPUTS,
            search=(("training.lr", (1.5e-4, 5e-4, 1.5e-3, 5e-3)),),
            captions="single",
            source=_REPROGRAMMER,
        ),
        Method(
            name="reprogrammer",
            about="a learned frame over every image and learned inputs of captions; the encoder stays",
            tunable=Programs(),
            objective=Contrastive(focal=True),
            training=_INPUTS,
            search=_INPUT_RATES,
            captions="single",
            source=_REPROGRAMMER,
        ),
        Method(
            name="residual-reprogrammer",
            about="the reprogrammer's features, and 40 % of the untouched encoder's",
            tunable=Programs(),
            objective=Contrastive(focal=True),
            blend=Residual(),
            training=_INPUTS,
            search=_INPUT_RATES,
            captions="single",
            source=_REPROGRAMMER,
        ),
    )
)


# What a comparison shows unless it is told otherwise: one of each family, in minutes on two cores.
SHOWN = (
    UNTOUCHED, "linear-probe", "fine-tune", "wise-ft", "ftp", "text-program",
    "reprogrammer", "residual-reprogrammer",
)  # fmt: skip


def find_method(name: str) -> Method:
    """The row of that name. Raises `UserError` with the names that exist."""
    if name not in METHODS:
        raise unknown("method", name, METHODS)
    return METHODS[name]
