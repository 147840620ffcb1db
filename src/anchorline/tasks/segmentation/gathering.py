"""Collects the answers of all finished runs of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import pandas as pd
from torch import Tensor

from anchorline.classifier.runs import CONFIGURATION
from anchorline.engine.jobs import read_json
from anchorline.errors import UserError
from anchorline.methods.settings import from_json
from anchorline.metric import SEGMENTATION_AXES, Metric, Provenance, table_of
from anchorline.metrics.bootstrap import Resamples
from anchorline.suites.masks.suite import SegmentationSuite
from anchorline.tasks.comparison import found_runs
from anchorline.tasks.segmentation.architecture import Architecture
from anchorline.tasks.segmentation.backbones import Backbone
from anchorline.tasks.segmentation.evaluating import Sets, counts_job, read_counts
from anchorline.tasks.segmentation.iou import measured
from anchorline.tasks.segmentation.methods import SegmentationMethod
from anchorline.tasks.segmentation.runs import AdaptedSegmenter, load


@dataclass(frozen=True, eq=False)
class Gathered:
    """All that a comparison shows.

    Attributes:
        rows: as in results.csv.
        segmenters: in the order of the rows; their tensors stay on disk.
        methods: rows of the table, as they were when they were adapted, by name.
        first: the segmenter of the first seed, by method.
    """

    rows: pd.DataFrame
    segmenters: list[AdaptedSegmenter]
    methods: dict[str, SegmentationMethod]
    first: dict[str, AdaptedSegmenter]


def gather(
    directory: Path, names: Sequence[str], suite: SegmentationSuite, backbone: Backbone, built: Architecture,
    sets: Sets,
) -> Gathered:  # fmt: skip
    """What is finished in a comparison, of this suite, backbone and architecture and measured on these sets;
    methods in the order in which they were asked for, `names` at last."""
    resamples, whole = Resamples(), suite.hash
    rows, segmenters = [], []
    methods: dict[str, SegmentationMethod] = {}
    first: dict[str, AdaptedSegmenter] = {}
    for _, _, run in found_runs(directory, names):
        one = _segmenter(run, backbone, built)
        identity = read_json(run / CONFIGURATION).get("configuration_hash", "")
        counts = one and _counts(run, identity, sets)
        if not one or not counts:
            continue
        metrics = [
            metric
            for role, own in sets.items()
            for name in own
            for metric in measured(name, role, suite.classes, counts[name], resamples)
        ]
        measured_on = Provenance(
            suite.name, whole, backbone.name, backbone.hash, one.method, one.seed, identity
        )
        rows += measured_on.rows([*metrics, *_summary(one, metrics)])
        segmenters.append(one)
        first.setdefault(one.method, one)
        methods[one.method] = from_json(one.request["method"], SegmentationMethod)
    return Gathered(table_of(rows), segmenters, methods, first)


def _segmenter(run: Path, backbone: Backbone, built: Architecture) -> AdaptedSegmenter | None:
    try:
        one = load(run, backbone, stored=True)
    except UserError:  # of another backbone, or not finished
        return None
    decoder = one.request["method"]["decoder"] or built.decoder
    same = (one.request["decoder"], one.request["width"], one.size) == (decoder, built.width, built.size)
    return one if same else None


def _counts(run: Path, identity: str, sets: Sets) -> dict[str, Tensor] | None:
    """By the name of a set; None where one has not been measured."""
    found: dict[str, Tensor] = {}
    for own in sets.values():
        for name, images in own.items():
            counts = read_counts(counts_job(run, identity, images))
            if counts is None:
                return None
            found[name] = counts
    return found


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
