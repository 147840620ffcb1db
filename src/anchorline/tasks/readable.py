"""The images of a suite that can be read, and what to know of them, found once for a comparison."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from anchorline.encoders.encoder import Encoder
from anchorline.encoders.features import FeatureStore, suite_features
from anchorline.engine.distributed import is_main_process
from anchorline.engine.jobs import Job, Step, do_all
from anchorline.engine.progress import Narrator
from anchorline.suites.images.decode import BadImage
from anchorline.suites.leakage import duplicates, notes_on
from anchorline.suites.suite import Suite
from anchorline.tasks.comparison import ANSWERS

FORMAT = 1  # raise it when the same suite would no longer give the same notes


def readable(
    suite: Suite, encoder: Encoder, store: FeatureStore, directory: Path, narrator: Narrator
) -> tuple[Suite, float]:
    """The suite without images that cannot be read, with notes on doubles, and the seconds that encoding all
    of its sets took. Kept in `directory`, so that the same again opens no image. Raises `UserError`."""
    job = Job(
        {"format": FORMAT, "suite": suite.hash, "encoder": encoder.hash, "preparing": encoder.preprocessing},
        directory / ANSWERS / "suite.json",
    )

    def do() -> None:
        cleaned, features = suite_features(store, encoder, suite, narrator.bar)
        doubles = duplicates(cleaned, lambda images: store.fingerprints(encoder.geometry, images))
        if is_main_process():
            job.put({
                "bad": {name: [asdict(image) for image in one.bad] for name, one in features.items()},
                "notes": list(notes_on(doubles)),
                "seconds": sum(one.seconds for one in features.values()),
            })  # fmt: skip

    do_all([Step("reading the images", job, do)], narrator)
    answer = job.answer()
    assert answer is not None
    bad = {name: [BadImage(**one) for one in images] for name, images in answer.facts["bad"].items()}
    cleaned = suite.without_bad(bad)
    return replace(cleaned, notes=(*cleaned.notes, *answer.facts["notes"])), answer.facts["seconds"]
