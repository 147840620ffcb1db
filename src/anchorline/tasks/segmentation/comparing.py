"""`compare`: several methods, one suite of scenes, one backbone; results on disk and one page to look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TypeAlias

from anchorline.engine.directories import Named
from anchorline.engine.jobs import do_all
from anchorline.engine.progress import Narrator, Silent
from anchorline.errors import UserError
from anchorline.report.published import Published, beside, write_published
from anchorline.suites.images.corruptions import SEVERITIES, parse_corruptions
from anchorline.suites.images.decode import MEMORY_LIMIT
from anchorline.suites.masks.sets import MaskedSet
from anchorline.suites.masks.suite import SegmentationSuite
from anchorline.tasks import comparison
from anchorline.tasks.claiming import claim_comparison, claim_jobs
from anchorline.tasks.comparison import (
    Runs,
    checked_seeds,
    chosen_rows,
    found_runs,
    publish,
    run_directory,
    write_tables,
)
from anchorline.tasks.facts import plan
from anchorline.tasks.segmentation.architecture import Architecture, decoder_of
from anchorline.tasks.segmentation.backbones import Backbone
from anchorline.tasks.segmentation.evaluating import Measuring, Sets
from anchorline.tasks.segmentation.facts import facts
from anchorline.tasks.segmentation.gathering import Gathered, gather
from anchorline.tasks.segmentation.methods import BASELINE, SegmentationMethod, find_method
from anchorline.tasks.segmentation.page import write_report
from anchorline.tasks.segmentation.pictures import examples
from anchorline.tasks.segmentation.run import Run
from anchorline.tasks.segmentation.runs import AdaptedSegmenter, Networks, load

# What the dense prediction tables of Fast Trainable Projection report; arXiv 2310.19182.
PAPER_FOUR = ("fog", "defocus_blur", "gaussian_noise", "brightness")
SHOWN = (BASELINE, "linear-decoder", "l2-sp", "ftp")  # unless a comparison is told otherwise

Comparison: TypeAlias = comparison.Comparison[SegmentationSuite, AdaptedSegmenter]


def compare(
    suite: SegmentationSuite,
    backbone: Backbone,
    methods: Sequence[str | SegmentationMethod] = SHOWN,
    out: str | Path = "runs/segment",
    *,
    architecture: Architecture | None = None,
    seeds: Sequence[int] = (0,),
    corruptions: Iterable[str] = PAPER_FOUR,
    published: Sequence[Published] = (),
    memory_limit: int = MEMORY_LIMIT,
    narrator: Narrator | None = None,
    trackers: tuple[str, ...] = (),
    overwrite: bool = False,
) -> Comparison:
    """Adapt the backbone by each method, once a seed, and measure all on the same images.

    The sets are test, each shift, and test under each of `corruptions` (as in `parse_corruptions`: "fog" at
    all severities, "fog/3"). Writes into `out`: results.jsonl, results.csv, report.html, and a run directory
    runs/METHOD/seed-SEED for each (see `runs.load`). What is finished there is neither adapted nor measured
    again, and what was interrupted goes on; all finished runs of the same suite, backbone and architecture
    are shown, whoever asked for them. Calls of other processes with the same `out` share the work.
    `published` figures stand beside ours in the report and in published.csv. A set whose decoded images take
    more than `memory_limit` bytes lies in temporary files.

    Raises `UserError`, also where `out` holds a comparison of another suite or backbone, or a run of one of
    the methods with other settings, unless `overwrite` says to replace them.
    """
    narrator = narrator or Silent()
    rows = chosen_rows(methods, find_method)
    if not rows:
        raise UserError("no method is given; name one, such as fine-tune")
    names, seeds = [row.name for row in rows], checked_seeds(seeds)
    sets: Sets = {  # a mistake in a corruption shows before the long work
        "test": {"test": suite.test},
        "shift": dict(suite.shifts),
        "corruption": corrupted_sets(suite, corruptions),
    }
    built = (architecture or Architecture()).on(backbone)
    decode = decoder_of(built.size, narrator, memory_limit)
    once = cache(decode)  # every method learns from the same train and val
    runs = [
        Run(
            backbone, suite, row, seed, built.on(backbone, row.decoder),
            run_directory(Path(out), row.name, seed), once, narrator, trackers,
        )
        for row in rows
        for seed in seeds
    ]  # fmt: skip
    about = {"suite": Named(suite.name, suite.hash), "encoder": Named(backbone.name, backbone.hash)}
    directory = claim_comparison(Path(out), "comparison of segmentation", about, overwrite)
    claim_jobs([run.job for run in runs], overwrite, narrator)
    narrator.say(plan(suite, _told_of(backbone, built)))
    found_runs(directory, names)  # known from now on, whoever gathers
    do_all([step for run in runs for step in run.steps()], narrator)
    once.cache_clear()
    every = [images for own in sets.values() for images in own.values()]
    adapted = [(run.title, run.job, load(run.job.file.parent, backbone, stored=True)) for run in runs]
    do_all(Measuring(decode, Networks()).steps(adapted, every), narrator)
    found = publish(
        directory,
        lambda: gather(directory, names, suite, backbone, built, sets),
        lambda found: _write(directory, found, suite, built, sets, published),
        narrator.say,
    )
    first = {name: run_directory(directory, name, one.seed) for name, one in found.first.items()}
    return Comparison(found.rows, Runs(first, partial(load, backbone=backbone)), suite, directory)


def _write(
    directory: Path, found: Gathered, suite: SegmentationSuite, built: Architecture, sets: Sets,
    published: Sequence[Published],
) -> None:  # fmt: skip
    write_tables(directory, found.rows)
    write_published(directory, beside(found.rows, published))
    write_report(
        directory / "report.html",
        title=f"{suite.name}: {found.segmenters[0].backbone.name} with {built.decoder}",
        rows=found.rows,
        classes=suite.classes,
        abouts={row.name: f"{row.about} ({row.source})" for row in found.methods.values()},
        examples=examples(list(found.first.values()), sets, built.size),
        facts=facts(suite, list(found.methods.values()), found.segmenters, built),
        notes=suite.notes,
        published=published,
    )


def _told_of(backbone: Backbone, built: Architecture) -> str:
    height, width = built.size
    return f"{backbone.name} with {built.decoder} at {height} x {width} px on {backbone.device}"


def corrupted_sets(
    suite: SegmentationSuite, names: Iterable[str] = PAPER_FOUR, severities: Sequence[int] = SEVERITIES
) -> dict[str, MaskedSet]:
    """The test set under each corruption by name, "fog/3"; `names` and errors as in `parse_corruptions`."""
    pairs = parse_corruptions(names, severities)
    return {f"{name}/{severity}": suite.test.corrupted(name, severity) for name, severity in pairs}
