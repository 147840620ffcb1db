"""What a recipe is, and what all of them share."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from anchorline.encoders.features import FeatureStore
from anchorline.encoders.loading import BUNDLED, load_encoder
from anchorline.engine.progress import Narrator, Silent
from anchorline.errors import UserError
from anchorline.experiments.recipes.miniature import few_classes, miniature
from anchorline.methods.hyperparameters import Training
from anchorline.methods.table import Method
from anchorline.report.published import Published
from anchorline.suites.benchmarks import BENCHMARKS
from anchorline.suites.suite import Suite
from anchorline.tasks.classification.comparing import compare

Scale = Literal["paper", "tiny"]
SECOND_HAND = "quoted second-hand, not read in the paper's own table"


@dataclass(frozen=True)
class Request:
    """What a user asks of a recipe.

    Attributes:
        out: directory of the results.
        root: directory that holds the data sets; not needed at tiny scale.
        scale: the paper's, or "tiny": the same code on a replica that is drawn into `out`, in about a minute.
        device: "cpu", "cuda" …; "": the GPU if there is one.
        seeds: (): seed 0, or what the recipe says.
        narrator: who tells what goes on.
    """

    out: Path
    root: Path | None = None
    scale: Scale = "paper"
    device: str = ""
    seeds: tuple[int, ...] = ()
    narrator: Narrator = field(default_factory=Silent)

    @property
    def tiny(self) -> bool:
        return self.scale == "tiny"


@dataclass(frozen=True)
class Recipe:
    """A paper's experiment as one command.

    Attributes:
        name: for the command line.
        about: one line.
        paper: which, and where in it.
        data: the benchmark, as in `anchorline suites`, or what else must lie below the root.
        cost: expected at the paper's scale.
        run: does it; returns the page. Raises `UserError`.
        published: the figures that are known.
        differences: of our protocol from the paper's, a sentence each, without full stop.
    """

    name: str
    about: str
    paper: str
    data: str
    cost: str
    run: Callable[[Request], Path]
    published: tuple[Published, ...] = ()
    differences: tuple[str, ...] = ()


def root_of(request: Request, recipe: str, write: Callable[[Path], None]) -> Path:
    """The directory that holds the data sets: the user's, or at tiny scale a replica, which `write` draws if
    an earlier run of the recipe has not.

    Raises `UserError` if the user named none, or one at tiny scale.
    """
    if request.tiny:
        if request.root is not None:
            raise UserError(
                f"--root {request.root} and --scale tiny exclude each other: tiny is on a drawn replica"
            )
        replica = request.out / "replica" / recipe
        if not replica.exists():
            request.narrator.say(f"drawing a replica into {replica} …")
            half = replica.with_name(f"{recipe}.part")
            shutil.rmtree(half, ignore_errors=True)  # of a run that was interrupted
            write(half)
            half.rename(replica)
        return replica
    if request.root is None:
        raise UserError(
            f"{recipe} needs its data sets: say with --root DIR where they lie ('anchorline suites' tells "
            "how to get them), or try it on a drawn replica with --scale tiny"
        )
    return request.root


def suite_of(
    request: Request,
    recipe: str,
    benchmark: str,
    write: Callable[[Path], None],
    shifts: Sequence[str] = (),
    outliers: Sequence[str] = (),
) -> Suite:
    """The suite of a benchmark with those of its shifts and outlier sets that the paper has; at tiny scale,
    of a replica and with a few of its classes."""
    whole = BENCHMARKS[benchmark]
    kept = replace(
        whole,
        shifts={name: whole.shifts[name] for name in shifts},
        outliers={name: whole.outliers[name] for name in outliers},
    )
    suite = kept.read(root_of(request, recipe, write), complete=not request.tiny)
    return few_classes(suite) if request.tiny else suite


def compare_as_published(
    request: Request, recipe: Recipe, suite: Suite, encoder: str, methods: Sequence[Method]
) -> Path:
    """`anchorline.compare` with the paper's figures beside ours; returns the report."""
    if request.tiny:
        encoder, methods = BUNDLED, [miniature(row) for row in methods]
    request.narrator.say(f"loading {encoder} …")
    found = compare(
        replace(suite, notes=(*suite.notes, *recipe.differences)),
        load_encoder(encoder, request.device or None),
        methods,
        request.out,
        seeds=request.seeds or (0,),
        store=FeatureStore(),
        narrator=request.narrator,
        published=recipe.published,
    )
    return found.report


def warm_up(steps: int, images: int, training: Training) -> Training:
    """The training with a warm-up of so many steps, when train has so many images."""
    every = training.epochs * max(1, images // training.batch_size)
    return replace(training, warmup_fraction=min(1.0, steps / every))
