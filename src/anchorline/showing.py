"""What the report shows of one classifier beside its numbers: histograms, mistakes, classes."""

from __future__ import annotations

import io
from collections.abc import Mapping

import pandas as pd
from PIL import Image

from anchorline.classifier import AdaptedClassifier
from anchorline.evaluation import Outcome
from anchorline.report import Histogram, MethodDetails, Mistake
from anchorline.suites.images import ImageSet
from anchorline.suites.rgb import open_rgb, quiet_pillow
from anchorline.suites.suite import Suite

THUMBNAIL = 96  # pixels
MISTAKES, MISTAKES_PER_SET = 48, 12


def details(classifier: AdaptedClassifier, suite: Suite, found: Mapping[str, Outcome]) -> MethodDetails:
    labelled = {"test": suite.test, **suite.shifts}
    return MethodDetails(
        method=classifier.method.name,
        about=classifier.method.about,
        histograms=[
            Histogram(name, "test" if name == "test" else "outlier", found[name].confidence.numpy())
            for name in ("test", *suite.outliers)
        ],
        mistakes=mistakes(classifier, labelled, found),
        per_class=per_class(classifier.classes, {name: found[name] for name in labelled}),
    )


def per_class(classes: tuple[str, ...], found: Mapping[str, Outcome]) -> pd.DataFrame:
    """Accuracy in percent: a row a class, a column a set; NaN where a set lacks the class."""
    columns = {}
    for name, said in found.items():
        right = pd.Series(said.right.float().numpy() * 100)
        columns[name] = right.groupby(said.truth.numpy()).mean()
    table = pd.DataFrame(columns).reindex(range(len(classes)))
    table.index = pd.Index(classes)
    return table


def mistakes(
    classifier: AdaptedClassifier, sets: Mapping[str, ImageSet], found: Mapping[str, Outcome]
) -> list[Mistake]:
    """The most confident wrong answers, at most so many a set and in all."""
    chosen: list[tuple[float, str, int]] = []
    for name in sets:
        said = found[name]
        wrong = (~said.right).nonzero()[:, 0]
        worst = said.confidence[wrong].sort(descending=True, stable=True)
        for value, place in list(zip(worst.values, worst.indices, strict=True))[:MISTAKES_PER_SET]:
            chosen.append((float(value), name, int(wrong[place])))
    chosen.sort(key=lambda c: -c[0])
    return [
        Mistake(
            png_or_jpeg=thumbnail(sets[name], index),
            set=name,
            path=sets[name].paths[index],
            truth=classifier.classes[int(found[name].truth[index])],
            predicted=classifier.classes[int(found[name].predicted[index])],
            confidence=confidence,
        )
        for confidence, name, index in chosen[:MISTAKES]
    ]


def thumbnail(images: ImageSet, index: int) -> bytes:
    """A small copy of one image, encoded as it is smallest."""
    with quiet_pillow():
        image = open_rgb(lambda: images.source.read(images.paths[index]))
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    copies = []
    for form in ("PNG", "JPEG"):
        buffer = io.BytesIO()
        image.save(buffer, form, optimize=True, **({"quality": 80} if form == "JPEG" else {}))
        copies.append(buffer.getvalue())
    return min(copies, key=len)
