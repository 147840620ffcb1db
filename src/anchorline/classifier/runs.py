"""Run directories: one method, one suite, one seed, on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from anchorline.classifier.adapted import AdaptedClassifier
from anchorline.encoders.captions import SINGLE_TEMPLATE
from anchorline.encoders.encoder import Encoder
from anchorline.encoders.loading import load_encoder
from anchorline.engine.jobs import Job, read_json
from anchorline.engine.storage import write_tensors
from anchorline.errors import UserError
from anchorline.methods.settings import from_json, identifying, to_json
from anchorline.methods.table import Method
from anchorline.suites.suite import Suite
from anchorline.version import __version__, commit

FORMAT = 3  # raise it when the same request would no longer give the same classifier
CONFIGURATION, TENSORS = "config.json", "tuned.safetensors"


def request(
    encoder: Encoder, method: Method, classes: Sequence[str], learn_from: dict[str, str], seed: int
) -> dict[str, Any]:
    """All that decides what adapting gives, as plain JSON values; what the run directory holds is the whole
    row."""
    return {
        "format": FORMAT,
        "encoder": encoder.name,
        "encoder_hash": encoder.hash,
        "preprocessing": encoder.preprocessing,
        "templates": list(templates_of(encoder, method)),
        "train": learn_from,
        "method": identifying(method),
        "seed": seed,
        "classes": list(classes),
    }


def learnt_from(suite: Suite) -> dict[str, str]:
    """Hashes of the images and labels of train and val, 16 hex digits each."""
    found = {}
    for name, images in (("train", suite.train), ("val", suite.val)):
        assert images.labels is not None
        digest = hashlib.sha256(images.content_hash().encode() + images.labels.tobytes())
        found[name] = digest.hexdigest()[:16]
    return found


def request_of(classifier: AdaptedClassifier) -> dict[str, Any]:
    """The request that led to a classifier."""
    return request(
        classifier.encoder, classifier.method, classifier.classes, classifier.learnt_from, classifier.seed
    )


def job_of(classifier: AdaptedClassifier, run: Path) -> Job:
    """The job whose answer a classifier is, in a run directory."""
    return Job(request_of(classifier), run / CONFIGURATION)


def save(classifier: AdaptedClassifier, run: Path) -> None:
    """Write the run directory: tuned tensors and, last, the configuration. Raises `UserError`."""
    (run / CONFIGURATION).unlink(missing_ok=True)  # never beside the tensors of another request
    write_tensors(run / TENSORS, classifier.tuned)
    job_of(classifier, run).put({
        "anchorline": __version__,
        "commit": commit(),
        "method": to_json(classifier.method),
        "alpha": classifier.alpha,
        "chosen": classifier.chosen,
        "seconds": classifier.seconds,
        "threshold": classifier.threshold,
        "peak_memory": classifier.peak_memory,
    })  # fmt: skip


@dataclass(frozen=True)
class Record:
    """What config.json tells of a finished run, without its tensors.

    Attributes:
        run: the directory.
        method: the row, as it was then.
        seed: of all random numbers.
        chosen: what val has chosen.
        seconds: wall time of adapting.
        encoder_hash: of the encoder that was adapted.
        identity: hash of the request.
    """

    run: Path
    method: Method
    seed: int
    chosen: dict[str, float]
    seconds: float
    encoder_hash: str
    identity: str


def read_record(run: Path) -> Record | None:
    """The record of a run directory; None where there is no finished run of a classifier."""
    facts = read_json(run / CONFIGURATION)
    try:
        method = from_json(facts["method"])
        rest = {name: facts[name] for name in ("seed", "chosen", "seconds", "encoder_hash")}
        return Record(run, method, identity=facts["configuration_hash"], **rest)
    except (KeyError, TypeError, ValueError):
        return None


def no_run(run: Path, error: Exception, kind: str = "run") -> UserError:
    """Why nothing can be loaded from a directory, and what to give instead."""
    if not run.exists():
        return UserError(f"the run {run} does not exist; check the path")
    inside = sorted(path.parent for path in run.glob(f"runs/*/seed-*/{CONFIGURATION}"))
    if inside:
        return UserError(
            f"{run} is a comparison and holds a run for each method; give one, such as {inside[0]}"
        )
    reason = f"it has no {Path(error.filename).name}" if isinstance(error, FileNotFoundError) else str(error)
    return UserError(
        f"{run} is not a {kind} that anchorline wrote ({reason}); "
        f"give a directory with {CONFIGURATION} and {TENSORS}"
    )


def load(run: str | Path, encoder: Encoder | None = None, device: str | None = None) -> AdaptedClassifier:
    """The classifier of a run directory. `encoder` saves loading it again; else it is loaded by name,
    onto `device`.

    Raises `UserError` if the directory is no run, or the encoder is not the one that was adapted.
    """
    run = Path(run)
    try:
        facts = json.loads((run / CONFIGURATION).read_text(encoding="utf-8"))
        # Copies lie aligned in memory, so that products round as they did before saving.
        tensors = {name: tensor.clone() for name, tensor in load_file(run / TENSORS).items()}
        # The run's own row counts, not what the table says today.
        method, classes = from_json(facts["method"]), tuple(facts["classes"])
        name, anchor, templates = facts["encoder"], facts["encoder_hash"], tuple(facts["templates"])
        rest = {key: facts[key] for key in ("alpha", "chosen", "seconds", "threshold", "peak_memory", "seed")}
        rest["learnt_from"], preprocessing = facts["train"], facts["preprocessing"]
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise no_run(run, error) from error
    encoder = encoder or load_encoder(name, device)
    if encoder.hash != anchor:
        raise UserError(
            f"{run} was adapted from {name} with hash {anchor}, but "
            f"{encoder.name} has hash {encoder.hash}; give the weights and tokenizer that it was adapted from"
        )
    if encoder.preprocessing != preprocessing:
        raise UserError(
            f"{run} was adapted to images prepared as {preprocessing}, but {encoder.name} prepares them as "
            f"{encoder.preprocessing}; give the encoder that it was adapted from"
        )
    return AdaptedClassifier(
        encoder=encoder,
        method=method,
        classes=classes,
        templates=templates,
        captions=encoder.encode_classes(classes, templates),
        tuned=tensors,
        **rest,
    )


def templates_of(encoder: Encoder, method: Method) -> tuple[str, ...]:
    if method.captions == "templates":
        return encoder.templates
    return SINGLE_TEMPLATE if method.captions == "single" else (method.captions,)
