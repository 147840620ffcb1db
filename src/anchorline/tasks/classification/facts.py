"""What was compared and how it was measured, in words, for the screen and the report."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

import torch

from anchorline.classifier.runs import Record
from anchorline.encoders.encoder import Encoder
from anchorline.encoders.loading import BUNDLED as BUNDLED_ENCODER
from anchorline.evaluation.base import Options
from anchorline.metric import ID_POSITIVE, MCM_TEMPERATURE, MSP_TEMPERATURE
from anchorline.metrics.open_set import conformal_threshold
from anchorline.suites.bundled import BUNDLED as BUNDLED_SUITE
from anchorline.suites.suite import Suite
from anchorline.tasks.classification.oracle import CHOOSING, Select
from anchorline.version import __version__, command_line, commit


def _ends_of_searches(records: Sequence[Record], judge: str) -> list[str]:
    """A sentence for each method whose best value was the first or last of three or more tried."""
    found: dict[str, list[str]] = {}
    for one in records:
        for path, values in one.method.search:
            chosen = one.chosen.get(path)
            if len(values) > 2 and chosen in (min(values), max(values)):
                end = "highest" if chosen == max(values) else "lowest"
                what = f"{one.method.name}: {judge} chose the {end} {path} tried, {chosen:g}"
                found.setdefault(what, []).append(str(one.seed))
    return [
        f"{what} (seed {', '.join(seeds)}); a wider search might do better" for what, seeds in found.items()
    ]


def plan(suite: Suite, encoder: Encoder) -> str:
    """What is about to be done."""
    sets = suite.sets()
    height, width = encoder.geometry.size
    said = (
        f"{suite.name}: {len(suite.classes)} classes, {sum(map(len, sets.values())):,} images "
        f"in {len(sets)} sets; {encoder.name} at {height} x {width} px on {encoder.device}"
    )
    return "\n".join([said, *(f"note: {note}" for note in unfit(suite, encoder))])


def unfit(suite: Suite, encoder: Encoder) -> list[str]:
    """A sentence where the bundled encoder meets images that it was not made for, perhaps."""
    if encoder.name != BUNDLED_ENCODER or suite.name == BUNDLED_SUITE:
        return []
    return [
        f"{encoder.name} knows drawings, not photographs; for those give another --encoder, such as "
        "ViT-B-32:laion2b_s34b_b79k"
    ]


def facts(
    suite: Suite,
    encoder: Encoder,
    records: Sequence[Record],
    encoding: float,
    options: Options,
    select: Select,
) -> dict[str, str]:
    """The box "how this was measured": label and value; `encoding`: seconds that all sets took."""
    seeds = list(dict.fromkeys(one.seed for one in records))
    chosen = [
        one.method.name
        + (f" (seed {one.seed})" if len(seeds) > 1 else "")
        + ": "
        + ", ".join(f"{name} {value:g}" for name, value in one.chosen.items())
        for one in records
        if one.chosen
    ]
    models = len(options.reference)
    line = f"{models} reference models" if models else "the untouched encoder, of slope 1"
    sizes = ", ".join(f"{name} {len(images):,}" for name, images in suite.sets().items())
    return {
        "Command": command_line.get(),
        "Suite": f"{suite.name} (hash {suite.hash}), {len(suite.classes)} classes; images: {sizes}",
        "Encoder": f"{encoder.name} (weights hash {encoder.hash}) on {encoder.device}",
        "Preprocessing": encoder.preprocessing,
        "Captions": " | ".join(encoder.templates),
        "Accuracy": "top-1, all classes compete unless a note says otherwise; intervals are Wilson's, 95 %",
        "Shift accuracy": "mean over the shifts, each with the same weight",
        "AUROC, FPR95": f"test against each outlier set, in-distribution positive ({ID_POSITIVE}); intervals "
        "are bootstrapped over images, 400 resamples"
        + (f"; near: {', '.join(sorted(suite.near))}" if suite.near else ""),
        "Detectors": "fitted on train; hyper-parameters chosen on val against synthetic outliers: shuffled "
        "tiles, and means of two images",
        "Calibration": "ECE in 15 bins of equally many images; scaled: at the temperature with the least "
        "cross-entropy on val, where val has one (not where all its answers are right)",
        "Open set": guarantee(suite, options),
        "Effective robustness": f"against a line through {line}, in logits of both accuracies",
        "Temperature": f"MSP: softmax over the logits, temperature {MSP_TEMPERATURE:g} "
        f"(zero-shot logits are cosines times {encoder.logit_scale:.4g}); "
        f"MCM: softmax over the cosines, temperature {MCM_TEMPERATURE:g}",
        f"Chosen on {CHOOSING[select]}": "; ".join(chosen) or "nothing",
        "Seeds": ", ".join(map(str, seeds)) + " (methods that draw no random numbers run once)",
        "Seconds": "wall time of adapting: captions, features of train and val if it trains, training with "
        "all trials of its search; "
        f"encoding all sets took {encoding:.0f} s, once",
        "Peak memory": "of the process (resident; on a GPU: of the device) while adapting",
        "Version": f"anchorline {__version__}, commit {commit() or 'unknown'}",
        "Date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }


def guarantee(suite: Suite, options: Options) -> str:
    """What the open-set threshold promises."""
    promise = conformal_threshold(torch.zeros(len(suite.val)), options.keep)
    if promise.value == -math.inf and options.keep < 1:  # its value else says nothing: it is of no scores
        return f"Here {promise}."
    return (
        f"The threshold on MSP is set on val so that it keeps {100 * options.keep:g} % of images like val; "
        "val has also chosen hyper-parameters, which makes the promise a little too sure."
    )


def notes(
    suite: Suite,
    encoder: Encoder,
    records: Sequence[Record],
    left_out: Mapping[tuple[str, str], Sequence[str]],
    select: Select,
) -> list[str]:
    """What the reader must know; `left_out`: methods by detector and reason."""
    found = [*unfit(suite, encoder), *suite.notes, *_ends_of_searches(records, CHOOSING[select])]
    everyone = {one.method.name for one in records}
    for (name, reason), methods in left_out.items():
        of = "" if everyone == set(methods) else f" of {', '.join(dict.fromkeys(methods))}"
        found.append(f"detector {name} is left out{of}: {reason}")
    if select == "oracle":
        found.insert(0, "chosen by an oracle, on test and all shifts: figures of such methods are too good")
    if encoder.random:
        found.insert(0, f"{encoder.name} has RANDOM weights: these figures say nothing about any method")
    return found
