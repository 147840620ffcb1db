"""What was compared and how it was measured, in words, for the screen and the report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch

from anchorline.classifier.runs import Record
from anchorline.encoders.encoder import Encoder
from anchorline.evaluation.base import Options
from anchorline.metric import ID_POSITIVE, MCM_TEMPERATURE, MSP_TEMPERATURE
from anchorline.metrics.open_set import conformal_threshold
from anchorline.suites.suite import Suite
from anchorline.tasks.classification.oracle import CHOOSING, chooser
from anchorline.tasks.facts import how_measured, made_by, unfit


def _ends_of_searches(records: Sequence[Record]) -> list[str]:
    """A sentence for each method whose best value was the first or last of three or more tried."""
    found: dict[str, list[str]] = {}
    for one in records:
        for path, values in one.method.search:
            chosen = one.chosen.get(path)
            if len(values) > 2 and chosen in (min(values), max(values)):
                end = "highest" if chosen == max(values) else "lowest"
                judge = CHOOSING[chooser(one.method)]
                what = f"{one.method.name}: {judge} chose the {end} {path} tried, {chosen:g}"
                found.setdefault(what, []).append(str(one.seed))
    return [
        f"{what} (seed {', '.join(seeds)}); a wider search might do better" for what, seeds in found.items()
    ]


def facts(
    suite: Suite,
    encoder: Encoder,
    records: Sequence[Record],
    encoding: float,
    options: Options,
) -> dict[str, str]:
    """The box "how this was measured": label and value; `encoding`: seconds that all sets took."""
    seeds = list(dict.fromkeys(one.seed for one in records))
    chosen: dict[str, list[str]] = {f"Chosen on {CHOOSING[chooser(one.method)]}": [] for one in records}
    for one in records:
        if one.chosen:
            of = f" (seed {one.seed})" if len(seeds) > 1 else ""
            values = ", ".join(f"{name} {value:g}" for name, value in one.chosen.items())
            chosen[f"Chosen on {CHOOSING[chooser(one.method)]}"].append(f"{one.method.name}{of}: {values}")
    models = len(options.reference)
    line = f"{models} reference models" if models else "the untouched encoder, of slope 1"
    return {
        **how_measured(suite, encoder),
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
        **{label: "; ".join(values) or "nothing" for label, values in chosen.items()},
        "Seeds": ", ".join(map(str, seeds)) + " (methods that draw no random numbers run once)",
        "Seconds": "wall time of adapting: captions, features of train and val if it trains, training with "
        "all trials of its search; "
        f"encoding all sets took {encoding:.0f} s, once",
        "Peak memory": "of the process (resident; on a GPU: of the device) while adapting",
        **made_by(),
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
) -> list[str]:
    """What the reader must know; `left_out`: methods by detector and reason."""
    found = [*unfit(suite, encoder), *suite.notes, *_ends_of_searches(records)]
    everyone = {one.method.name for one in records}
    for (name, reason), methods in left_out.items():
        of = "" if everyone == set(methods) else f" of {', '.join(dict.fromkeys(methods))}"
        found.append(f"detector {name} is left out{of}: {reason}")
    if any(chooser(one.method) == "oracle" for one in records):
        found.insert(0, "chosen by an oracle, on test and all shifts: figures of such methods are too good")
    if encoder.random:
        found.insert(0, f"{encoder.name} has RANDOM weights: these figures say nothing about any method")
    return found
