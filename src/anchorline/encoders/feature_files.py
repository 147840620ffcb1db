"""Features of one image set, and the file in the cache that holds them."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from anchorline.engine.storage import replacing, save_readable
from anchorline.suites.images.decode import BadImage


def cache_directory() -> Path:
    """`$ANCHORLINE_CACHE`, else `anchorline` in the user's cache directory."""
    if own := os.environ.get("ANCHORLINE_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "anchorline"


@dataclass(frozen=True, eq=False)
class Features:
    """What an encoder makes of one image set.

    Attributes:
        vectors: float32 [N, D], unit length, row for row the set's readable images.
        bad: the images that could not be read; they have no row.
        seconds: wall time that decoding and encoding took when it was done.
    """

    vectors: Tensor
    bad: tuple[BadImage, ...]
    seconds: float


def read_features(file: Path) -> Features | None:
    """None if there is no such file, or a damaged one: a full disk or a lost machine is no user's mistake."""
    try:
        with safe_open(file, framework="pt") as stored:
            facts = stored.metadata()
            bad = tuple(BadImage(**image) for image in json.loads(facts["bad"]))
            # A copy lies aligned in memory; where the file's tensor lies depends on the length of its facts,
            # and products would round otherwise from one run to the next.
            vectors = stored.get_tensor("vectors").clone()
            return Features(vectors, bad, float(facts["seconds"]))
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None


def write_features(file: Path, features: Features) -> None:
    """Whole or not at all: a killed run leaves no half file under the final name."""
    facts = {
        "bad": json.dumps([asdict(b) for b in features.bad]),
        "seconds": f"{features.seconds:.3f}",
    }
    advice = "make room there, or set ANCHORLINE_CACHE to a directory that can be written"
    with replacing(file, advice) as unfinished:
        save_readable({"vectors": features.vectors.contiguous()}, unfinished, facts)
