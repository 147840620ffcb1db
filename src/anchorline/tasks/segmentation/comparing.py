"""`compare`: several methods, one suite of scenes, one backbone; results on disk and one page to look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd

from anchorline.classifier.runs import TENSORS, configuration_hash
from anchorline.engine.distributed import is_main_process
from anchorline.engine.progress import Narrator, Silent
from anchorline.errors import UserError
from anchorline.metric import SEGMENTATION_AXES, Metric, Provenance, table_of
from anchorline.metrics.bootstrap import Resamples
from anchorline.report.published import Published, beside, write_published
from anchorline.suites.images.corruptions import SEVERITIES, parse_corruptions
from anchorline.suites.images.decode import MEMORY_LIMIT
from anchorline.suites.masks.sets import MaskedSet
from anchorline.suites.masks.suite import SegmentationSuite
from anchorline.tasks.classification.comparing import writable
from anchorline.tasks.classification.tables import write_table
from anchorline.tasks.segmentation.adapting import Architecture, adapt, decoder_of
from anchorline.tasks.segmentation.backbones import Backbone
from anchorline.tasks.segmentation.evaluating import Measured, Sets, measure_all
from anchorline.tasks.segmentation.facts import facts, suite_hash
from anchorline.tasks.segmentation.iou import measured
from anchorline.tasks.segmentation.methods import BASELINE, SegmentationMethod, find_method
from anchorline.tasks.segmentation.page import write_report
from anchorline.tasks.segmentation.pictures import examples
from anchorline.tasks.segmentation.runs import AdaptedSegmenter, Stored

# What the dense prediction tables of Fast Trainable Projection report; arXiv 2310.19182.
PAPER_FOUR = ("fog", "defocus_blur", "gaussian_noise", "brightness")
SHOWN = (BASELINE, "linear-decoder", "l2-sp", "ftp")  # unless a comparison is told otherwise


@dataclass(frozen=True, eq=False)
class Comparison:
    """What `compare` found.

    Attributes:
        rows: one row a number; the columns are those of results.csv.
        segmenters: by method name, of the first seed; their tensors are read from their runs when used.
        directory: where everything was written.
    """

    rows: pd.DataFrame
    segmenters: dict[str, AdaptedSegmenter]
    directory: Path

    @property
    def report(self) -> Path:
        return self.directory / "report.html"

    @property
    def table(self) -> pd.DataFrame:
        """A row a method: mIoU on test, under shift and under corruption, as means over seeds."""
        summary = self.rows[self.rows.role == "summary"]
        return summary.pivot_table(index="method", columns="metric", values="value", sort=False)


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
) -> Comparison:
    """Adapt the backbone by each method, once a seed, and measure all on the same images.

    The sets are test, each shift, and test under each of `corruptions` (as in `parse_corruptions`: "fog" at
    all severities, "fog/3"). Writes into `out`: results.jsonl, results.csv, report.html, and a run directory
    runs/METHOD/seed-SEED for each (see `runs.load`). What is finished there is not run again, and what was
    interrupted goes on. `published` figures stand beside ours in the report and in published.csv. A set whose
    decoded images take more than `memory_limit` bytes lies in temporary files. Raises `UserError`.
    """
    narrator = narrator or Silent()
    rows = [find_method(m) if isinstance(m, str) else m for m in methods]
    if not rows:
        raise UserError("no method is given; name one, such as fine-tune")
    if not seeds:
        raise UserError("no seed is given; name one, such as 0")
    corrupted = corrupted_sets(suite, corruptions)  # a mistake shows before the long work
    built = (architecture or Architecture()).on(backbone)
    for row in rows:
        row.check(backbone)
    directory = writable(Path(out))
    height, width = built.size
    narrator.say(
        f"{suite.name}: {len(suite.classes)} classes, {sum(map(len, suite.sets().values())):,} images in "
        f"{len(suite.sets())} sets; {backbone.name} with {built.decoder} at {height} x {width} px on "
        f"{backbone.device}"
    )
    decode = decoder_of(built.size, narrator, memory_limit)
    once = cache(decode)  # every method learns from the same train and val
    segmenters: list[AdaptedSegmenter] = []
    for row in {row.name: row for row in rows}.values():
        for seed in seeds:
            run = run_directory(directory, row.name, seed)
            adapted = adapt(
                backbone, suite, row, seed,
                architecture=built, run=run, decode=once,
                narrator=narrator, trackers=trackers, overwrite=True,
            )  # fmt: skip
            narrator.say(f"{row.name}, seed {seed}: adapted in {adapted.seconds:.1f} s")
            segmenters.append(replace(adapted, tuned=Stored(run / TENSORS)))  # memory holds one at a time
    once.cache_clear()
    sets: Sets = {
        "test": {"test": suite.test},
        "shift": dict(suite.shifts),
        "corruption": corrupted,
    }
    runs = [run_directory(directory, one.method, one.seed) for one in segmenters]
    found = measure_all(segmenters, runs, sets, decode, narrator)
    table = _table(suite, segmenters, found, sets)
    first = {one.method: one for one in segmenters if one.seed == seeds[0]}
    if is_main_process():
        write_table(directory, table)
        write_published(directory, beside(table, published))
        write_report(
            directory / "report.html",
            title=f"{suite.name}: {backbone.name} with {built.decoder}",
            rows=table,
            classes=suite.classes,
            abouts={row.name: f"{row.about} ({row.source})" for row in rows},
            examples=examples(list(first.values()), sets, built.size),
            facts=facts(suite, rows, segmenters, built),
            notes=suite.notes,
            published=published,
        )
    return Comparison(table, first, directory)


def run_directory(directory: Path, method: str, seed: int) -> Path:
    return directory / "runs" / method / f"seed-{seed}"


def _table(
    suite: SegmentationSuite, segmenters: Sequence[AdaptedSegmenter], found: Sequence[Measured], sets: Sets
) -> pd.DataFrame:
    resamples, whole = Resamples(), suite_hash(suite)
    rows: list[dict[str, Any]] = []
    for one, counts in zip(segmenters, found, strict=True):
        metrics = [
            metric
            for role, own in sets.items()
            for name in own
            for metric in measured(name, role, suite.classes, counts[name], resamples)
        ]
        origin = Provenance(
            suite=suite.name,
            suite_hash=whole,
            encoder=one.backbone.name,
            encoder_hash=one.backbone.hash,
            method=one.method,
            seed=one.seed,
            config_hash=configuration_hash(one.request),
        )
        rows += origin.rows([*metrics, *_summary(one, metrics)])
    return table_of(rows)


def _summary(one: AdaptedSegmenter, metrics: Sequence[Metric]) -> list[Metric]:
    """mIoU on test, and the means over shifts and over corruptions, each set with the same weight."""
    clean, *means = SEGMENTATION_AXES
    of_role = {
        a.role: [m for m in metrics if (m.role, m.metric) == (a.role, a.metric)] for a in SEGMENTATION_AXES
    }
    found = [replace(of_role[clean.role][0], set="", role="summary", metric=clean.name)]
    for axis in means:
        if of_role[axis.role]:
            found.append(Metric("", "summary", axis.name, fmean(m.value for m in of_role[axis.role])))
    return [
        *found,
        Metric("", "summary", "trainable_parameters", one.parameters, unit="parameters"),
        Metric("", "summary", "seconds", one.seconds, unit="s"),
        Metric("", "summary", "peak_memory", one.peak_memory, unit="MiB"),
    ]


def corrupted_sets(
    suite: SegmentationSuite, names: Iterable[str] = PAPER_FOUR, severities: Sequence[int] = SEVERITIES
) -> dict[str, MaskedSet]:
    """The test set under each corruption by name, "fog/3"; `names` and errors as in `parse_corruptions`."""
    pairs = parse_corruptions(names, severities)
    return {f"{name}/{severity}": suite.test.corrupted(name, severity) for name, severity in pairs}
