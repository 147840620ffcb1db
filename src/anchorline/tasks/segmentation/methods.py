"""The table of methods: what of the backbone is trained, and what holds it. The decoder is always new."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from anchorline.errors import UserError, unknown
from anchorline.methods.constraints import ByFTP, ByL2SP, ByMARSSP, BySPD, ByTPGM, Constraint, Unconstrained
from anchorline.methods.hyperparameters import Training, check_training
from anchorline.methods.table import Search
from anchorline.tasks.segmentation.backbones import Backbone
from anchorline.tasks.segmentation.model import layer_of

BASELINE = "fine-tune"  # the row that all differences are taken to
# The row whose paper claims that clean images gain, and corrupted ones gain more; arXiv 2310.19182.
CLAIM = "ftp"

_LAYERS = 3  # fewer have no order that is worth a decay of rates

# Every row has the same budget: as many epochs, and two learning rates, of which val chooses. What holds the
# weights has the default strength of its kind. The rate rises over the first tenth of the steps and falls as
# "poly" over the others.
_TRAINING = Training(
    epochs=10, batch_size=8, lr=1e-3, weight_decay=0.01, schedule="poly", augmentation="crop"
)
_RATES: Search = (("training.lr", (1e-3, 3e-3)),)


@dataclass(frozen=True)
class SegmentationMethod:
    """One row of the table.

    Attributes:
        name: for the command line and all tables.
        about: one line for a newcomer.
        parameters: patterns of the names of the backbone's parameters that are trained.
        decoder: of this row alone; "": that of the comparison.
        layer_decay: factor of the learning rate from each layer of the backbone to the one below it.
        constraint: what holds the backbone's weights to the pre-trained ones; the decoder is free.
        training: how gradients are followed.
        search: fields ("training.lr") and the values to try; val chooses by mIoU.
        source: the paper.
    """

    name: str
    about: str
    parameters: tuple[str, ...] = ("*",)
    decoder: str = ""
    layer_decay: float = 1.0
    constraint: Constraint = field(default_factory=Unconstrained)
    training: Training = _TRAINING
    search: Search = ()
    source: str = ""

    @property
    def trains_weights(self) -> bool:
        """Whether pre-trained weights are trained, which a constraint can hold."""
        return bool(self.parameters)

    def check(self, backbone: Backbone) -> None:
        """Raises `UserError` for numbers that make no sense, and where the row would not do to this backbone
        what it says."""
        check_training(self.name, self.training, least_epochs=1)
        if self.training.augmentation == "trivial":
            raise UserError(
                f"{self.name}: TrivialAugment moves images and not their masks; give crop or flip"
            )
        names = [name for name, _ in backbone.module.named_parameters()]
        for pattern in self.parameters:
            if not any(fnmatchcase(name, pattern) for name in names):
                raise UserError(
                    f"{self.name}: no parameter of {backbone.name} matches {pattern!r}; its parameters are "
                    f"called {', '.join(names[:4])} …"
                )
        if self.constraint.holds and not self.trains_weights:
            raise UserError(
                f"{self.name}: {self.constraint.name} holds weights of the backbone, and none is trained; "
                "say which with parameters, or give no constraint"
            )
        layers = dict.fromkeys(map(layer_of, names))
        if self.layer_decay != 1 and len(layers) < _LAYERS:
            raise UserError(
                f"{self.name} needs layers, and the parameters of {backbone.name} are not named by any "
                f"(found {', '.join(layers)}); leave the method out, or give another --backbone"
            )


METHODS: dict[str, SegmentationMethod] = {
    method.name: method
    for method in (
        SegmentationMethod(
            BASELINE,
            "all weights of the backbone",
            search=_RATES,
            source="Long et al. 2015, arXiv 1411.4038",
        ),
        SegmentationMethod(
            "linear-decoder",
            "a linear decoder on the frozen backbone: what its features already tell",
            parameters=(),
            decoder="linear",
            search=(("training.lr", (1e-2, 3e-2)),),
            source="Alain & Bengio 2017, arXiv 1610.01644",
        ),
        SegmentationMethod(
            "bias",
            "only the biases of the backbone",
            parameters=("*bias",),
            search=_RATES,
            source="Ben Zaken et al. 2022, arXiv 2106.10199",
        ),
        SegmentationMethod(
            "layer-decay",
            "all weights, each layer at 0.65 times the learning rate of the one above",
            layer_decay=0.65,
            search=_RATES,
            source="Clark et al. 2020, arXiv 2003.10555; Bao et al. 2022, arXiv 2106.08254",
        ),
        *(
            SegmentationMethod(name, about, constraint=constraint, search=_RATES, source=source)
            for name, about, constraint, source in (
                (
                    "l2-sp",
                    "a penalty on the squared distance from the pre-trained weights",
                    ByL2SP(),
                    "Li et al. 2018, arXiv 1802.01483",
                ),
                (
                    "mars-sp",
                    "a penalty on the farthest row of each tensor",
                    ByMARSSP(),
                    "Gouk et al. 2021, arXiv 2002.08253",
                ),
                (
                    "tpgm",
                    "within a radius of the pre-trained weights, which is learned on val",
                    ByTPGM(),
                    "Tian et al. 2023, arXiv 2303.10720",
                ),
                (
                    "ftp",
                    "within a radius of the pre-trained weights, which is learned on train",
                    ByFTP(),
                    "Tian et al. 2023, arXiv 2310.19182",
                ),
                (
                    "spd",
                    "decay of those tensors whose gradient pulls back to their first values",
                    BySPD(),
                    "Tian et al. 2024, arXiv 2411.01713",
                ),
            )
        ),
    )
}


def find_method(name: str) -> SegmentationMethod:
    """The row of that name. Raises `UserError` with the names that exist."""
    if name not in METHODS:
        raise unknown("method of segmentation", name, METHODS)
    return METHODS[name]
