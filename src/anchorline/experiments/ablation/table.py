"""The table of ablations: which choice of the Reprogrammer is varied, over what (arXiv 2403.10800)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from anchorline.errors import UserError
from anchorline.methods.settings import override
from anchorline.methods.table import METHODS

SINGLE_CAPTION = "zero-shot-single"  # the untouched encoder of the methods with one caption a class

# What is ablated unless another row is given. At one rate of each program, the higher that the row tries: an
# ablation changes one thing, and a search would choose other rates for each variant.
REPROGRAMMER = override(METHODS["reprogrammer"], {"training.lr": "1.5e-3", "tunable.frame_lr": "0.15"})


@dataclass(frozen=True)
class Variant:
    """One value of the choice that is varied.

    Attributes:
        name: for tables and figures.
        settings: what makes the variant out of the row, as for `choices.override`.
        x: where it stands on the figure's axis; None where variants are categories.
    """

    name: str
    settings: Mapping[str, str]
    x: float | None = None


@dataclass(frozen=True)
class Ablation:
    """One choice, and the values that it takes.

    Attributes:
        name: for the command line.
        about: one line for a newcomer.
        variants: trained one by one; none where it is the strength of the blend that is varied, for which
            nothing is trained anew.
        axis: title of the figure's axis; "" where variants are categories.
        note: what the reader of the page must know of the variants.
    """

    name: str
    about: str
    variants: tuple[Variant, ...] = ()
    axis: str = ""
    note: str = ""

    def varies(self, path: str) -> bool:
        """Whether the variants set the field at `path`, or replace the part that holds it."""
        varied = {own for variant in self.variants for own in variant.settings}
        return path in varied or path.partition(".")[0] in varied


# The paper's frame stands around the whole image, so a wider one leaves less room for the image.
_WIDTHS = (0.0, 0.03125, 0.0625, 0.125, 0.1875, 0.25)

ABLATIONS: dict[str, Ablation] = {
    ablation.name: ablation
    for ablation in (
        Ablation(
            name="padding",
            about="how wide the learned frame around the image is",
            variants=tuple(
                Variant(f"width {w:g}", {"tunable.width": f"{w:g}", "tunable.geometry": "around"}, w)
                for w in _WIDTHS
            ),
            axis="width of the frame, share of the side",
            note="The frame stands around the whole image: at width w the image is scaled to 1 − 2w of the "
            "side. At width 0 there is no frame, and images stay as they are.",
        ),
        Ablation(
            name="geometry",
            about="the frame over the image's margin, around the shrunk image, or over one of learnt size",
            variants=tuple(Variant(one, {"tunable.geometry": one}) for one in ("over", "around", "learnt")),
            note="“Over” is the geometry of the released code, “around” that of the paper’s figure, “learnt” "
            "that of AutoVP (arXiv 2310.08381): the size starts at the whole.",
        ),
        Ablation(
            name="ground",
            about="what the canvas shows around an image, under the frame",
            variants=tuple(
                Variant(one, {"tunable.geometry": "around", "tunable.ground": one})
                for one in ("black", "grey", "mean", "edge")
            ),
            note="The frame stands around the shrunk image. “Mean” is the encoder’s mean colour, “edge” the "
            "image’s own edge continued; the released code has black.",
        ),
        Ablation(
            name="frame",
            about="how the frame is trained: its start, its optimizer, its decay, what makes pixels of it",
            variants=(
                Variant("as released", {}),
                Variant("without decay", {"tunable.frame_decay": "0"}),
                Variant("decoupled decay", {"tunable.frame_optimizer": "adamw"}),
                Variant("from zero", {"tunable.start_from": "zero"}),
                Variant("straight-through clamp", {"tunable.clamp": "straight-through"}),
                Variant("sigmoid from zero", {"tunable.squash": "sigmoid", "tunable.start_from": "zero"}),
                Variant(
                    "normalised gradient, from zero",
                    {
                        "tunable.frame_optimizer": "normalised-sgd",
                        "tunable.frame_decay": "0",
                        "tunable.start_from": "zero",
                    },
                ),
            ),
            note="“As released”: Adam with the decay in its gradient, from N(0, 1), through tanh. “Sigmoid” "
            "is ILM-VP’s (arXiv 2211.11635), “normalised gradient” EVP’s (arXiv 2212.10556), whose rate is "
            "the root mean square of a step.",
        ),
        Ablation(
            name="augmentation",
            about="of the training images",
            variants=tuple(
                Variant(one, {"training.augmentation": one}) for one in ("none", "flip", "crop", "trivial")
            ),
            note="“Trivial”: one change of TrivialAugment (arXiv 2103.10158) at a random strength, which "
            "arXiv 2510.07823 finds to help any visual prompt.",
        ),
        Ablation(
            name="residual",
            about="how much of the untouched encoder is mixed in, α from 0 to 1",
            axis="adapted ← α → untouched",
            note="α is the share of the untouched encoder: 0 is the adapted classifier alone, 1 the "
            "untouched one. Nothing was trained for the curve: what was trained is mixed anew at each α.",
        ),
        Ablation(
            name="programs",
            about="the image program alone, the text program alone, and both",
            variants=(
                Variant("image only", {"tunable.image": "true", "tunable.text": "false"}),
                Variant("text only", {"tunable.image": "false", "tunable.text": "true"}),
                Variant("both", {"tunable.image": "true", "tunable.text": "true"}),
            ),
        ),
        Ablation(
            name="objective",
            about="the loss: contrastive with and without focal weights, or cross-entropy",
            variants=(
                Variant("focal contrastive", {"objective": "focal-contrastive"}),
                Variant("contrastive", {"objective": "contrastive"}),
                Variant("cross-entropy", {"objective": "cross-entropy"}),
                Variant(
                    "focal, duplicates negatives",
                    {"objective": "focal-contrastive", "objective.duplicates": "negatives"},
                ),
            ),
            note="Two images of one class in a batch have the same caption. “Duplicates negatives”: each is "
            "a negative to the other’s caption, as in the released code; elsewhere it is a positive.",
        ),
    )
}


def find_ablation(name: str) -> Ablation:
    """The ablation of that name. Raises `UserError` with the names that exist."""
    if name not in ABLATIONS:
        raise UserError(f"unknown ablation {name!r}; the ablations are {', '.join(ABLATIONS)}")
    return ABLATIONS[name]
