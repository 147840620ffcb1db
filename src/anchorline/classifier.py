"""The adapted classifier: what a method returns, can save, and gives back when loaded."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

import anchorline
from anchorline.captions import SINGLE_TEMPLATE
from anchorline.encoder import Encoder
from anchorline.errors import UserError
from anchorline.loading import load_encoder
from anchorline.methods import Method
from anchorline.suites.decode import decode_image
from anchorline.tunables import TUNABLES, Head

CONFIGURATION, TENSORS = "config.json", "tuned.safetensors"


@dataclass(frozen=True, eq=False)
class AdaptedClassifier:
    """An encoder that a method has adapted to a list of classes.

    Attributes:
        encoder: whose features the head reads.
        method: the row of the table.
        classes: names; logits have their order.
        templates: the captions of a class, each with one `{}`.
        captions: class vectors, unit, float32 [C, D].
        learnt_from: content hashes of the images of train and val.
        tuned: the trained tensors by name.
        chosen: hyper-parameters that were chosen on val.
        seconds: wall time of adapting, the features of train and val included; see `adapt`.
        seed: of all random numbers; the methods of today draw none.
    """

    encoder: Encoder
    method: Method
    classes: tuple[str, ...]
    templates: tuple[str, ...]
    captions: Tensor
    learnt_from: dict[str, str]
    tuned: dict[str, Tensor]
    chosen: dict[str, float]
    seconds: float
    seed: int

    @property
    def head(self) -> Head:
        return TUNABLES[self.method.tunable].head(self.captions, self.encoder.logit_scale, self.tuned)

    @property
    def parameters(self) -> int:
        """How many numbers were trained."""
        return sum(tensor.numel() for tensor in self.tuned.values())

    def logits(self, features: Tensor) -> Tensor:
        """Unit image vectors [N, D] -> logits [N, C]; a softmax over them gives the confidence."""
        return self.head(features)

    def cosines(self, features: Tensor) -> Tensor:
        """Unit image vectors [N, D] -> cosines to the class captions [N, C]."""
        return features @ self.captions.T

    def predict(self, images: Sequence[str | Path]) -> list[tuple[str, float]]:
        """Class name and confidence (largest softmax probability) for each image file.

        Raises `UserError` for a file that cannot be read.
        """
        found = []
        for image in images:
            try:
                data = Path(image).read_bytes()
            except OSError as error:
                raise UserError(f"cannot read {image} ({error.strerror})") from error
            pixels = decode_image(data, self.encoder.geometry, str(image))[None]
            probabilities = self.logits(self.encoder.encode_images(pixels)).softmax(1)[0]
            best = int(probabilities.argmax())
            found.append((self.classes[best], float(probabilities[best])))
        return found

    def configuration(self) -> dict[str, Any]:
        """All that says how this classifier came about, as plain JSON values."""
        return {
            "anchorline": anchorline.__version__,
            "commit": commit(),
            "encoder": self.encoder.name,
            "encoder_hash": self.encoder.hash,
            "preprocessing": self.encoder.preprocessing,
            "templates": list(self.templates),
            "train": self.learnt_from,
            "method": dataclasses.asdict(self.method),
            "seed": self.seed,
            "classes": list(self.classes),
            "chosen": self.chosen,
        }

    @property
    def configuration_hash(self) -> str:
        """Hex sha256 (16 digits) of the configuration, whatever the commit."""
        facts = self.configuration()
        for code in ("anchorline", "commit"):  # rows name the code themselves
            facts.pop(code)
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    def save(self, run: Path) -> None:
        """Write the run directory: configuration and tuned tensors, nothing else."""
        run.mkdir(parents=True, exist_ok=True)
        tensors = {name: tensor.contiguous() for name, tensor in self.tuned.items()}
        save_file(tensors, run / TENSORS)
        facts = {**self.configuration(), "seconds": self.seconds}
        (run / CONFIGURATION).write_text(
            json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )


def load(run: str | Path, encoder: Encoder | None = None, device: str | None = None) -> AdaptedClassifier:
    """The classifier of a run directory. `encoder` saves loading it again; else it is loaded by name,
    onto `device`.

    Raises `UserError` if the directory is no run, or the encoder is not the one that was adapted.
    """
    run = Path(run)
    try:
        facts = json.loads((run / CONFIGURATION).read_text(encoding="utf-8"))
        tensors = load_file(run / TENSORS)
        method, classes = _method(facts["method"]), tuple(facts["classes"])
        name, anchor, templates = facts["encoder"], facts["encoder_hash"], tuple(facts["templates"])
        learnt_from = facts["train"]
        rest = {key: facts[key] for key in ("chosen", "seconds", "seed")}
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise UserError(
            f"{run} is not a run that anchorline wrote ({error}); "
            f"give a directory with {CONFIGURATION} and {TENSORS}"
        ) from error
    encoder = encoder or load_encoder(name, device)
    if encoder.hash != anchor:
        raise UserError(
            f"{run} was adapted from {name} with hash {anchor}, but "
            f"{encoder.name} has hash {encoder.hash}; give the weights that it was adapted from"
        )
    return AdaptedClassifier(
        encoder=encoder,
        method=method,
        classes=classes,
        templates=templates,
        captions=encoder.encode_classes(classes, templates),
        learnt_from=learnt_from,
        tuned=tensors,
        **rest,
    )


def _method(fields: Mapping[str, Any]) -> Method:
    # The run's own row counts, not what the table says today.
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
    }
    return Method(**values)


def templates_of(encoder: Encoder, method: Method) -> tuple[str, ...]:
    return SINGLE_TEMPLATE if method.captions == "single" else encoder.templates


@cache
def commit() -> str:
    """The commit of the source that runs, with "+" if files differ from it; "" outside a checkout."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(here), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()

    try:
        if not git("ls-files", Path(__file__).name):  # installed inside somebody else's repository
            return ""
        return git("rev-parse", "--short=12", "HEAD") + (
            "+" if git("status", "--porcelain", str(here)) else ""
        )
    except (OSError, subprocess.SubprocessError):
        return ""
