"""What the report shows of one classifier beside its numbers: histograms, mistakes, classes."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from anchorline.classifier.adapted import AdaptedClassifier
from anchorline.encoders.encoder import as_images
from anchorline.evaluation.base import Evaluation
from anchorline.evaluation.evaluators.calibration import temperature_of
from anchorline.evaluation.outputs import Outputs
from anchorline.metrics import scores
from anchorline.metrics.calibration import reliability
from anchorline.metrics.selective import risk_coverage
from anchorline.report import Changed, Histogram, MethodDetails, Mistake
from anchorline.suites.images.decode import decode
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.images.rgb import open_rgb, quiet_pillow

THUMBNAIL = 96  # pixels
MISTAKES, MISTAKES_PER_SET = 48, 12
CHANGED_PER_SET, FRAMES = 8, 6
POINTS = 200  # of a risk-coverage curve


def details(evaluation: Evaluation) -> MethodDetails:
    """Pictures and curves of one classifier, beside what the untouched encoder said of the same sets."""
    classifier, suite = evaluation.classifier, evaluation.suite
    found, before = evaluation.outputs, evaluation.untouched
    labelled = {"test": suite.test, **suite.shifts}
    compared = labelled if found is not before else {}  # the untouched encoder changes nothing
    negative_flips = {name: before[name].right & ~found[name].right for name in compared}
    positive_flips = {name: ~before[name].right & found[name].right for name in compared}
    counts = {name: (int(negative_flips[name].sum()), int(positive_flips[name].sum())) for name in compared}
    return MethodDetails(
        method=classifier.method.name,
        about=classifier.method.about,
        histograms=[
            Histogram(name, "test" if name == "test" else "outlier", found[name].confidence.numpy())
            for name in ("test", *suite.outliers)
        ],
        mistakes=mistakes(classifier, labelled, found),
        per_class=per_class(classifier.classes, {name: found[name] for name in labelled}),
        negative_flips=changed(classifier.classes, compared, found, before, negative_flips),
        positive_flips=changed(classifier.classes, compared, found, before, positive_flips),
        changes=pd.DataFrame.from_dict(counts, orient="index", columns=["negative_flips", "positive_flips"]),
        frames=frames(classifier, suite.test),
        reliability=reliabilities(evaluation),
        risk_coverage={name: risks(found[name]) for name in labelled},
    )


def reliabilities(evaluation: Evaluation) -> dict[str, pd.DataFrame]:
    """Confidence against accuracy in bins, of test and each shift, before and after temperature scaling."""
    temperatures = {False: 1.0}
    if scaled := temperature_of(evaluation):
        temperatures[True] = scaled
    return {
        name: pd.concat([
            bins(scores.msp(outputs.logits / temperature), outputs.right).assign(scaled=flag)
            for flag, temperature in temperatures.items()
        ])
        for name, outputs in evaluation.labelled().items()
    }  # fmt: skip


def bins(confidence: Tensor, right: Tensor) -> pd.DataFrame:
    """Columns confidence, accuracy and share, in [0, 1]: a row a bin."""
    found = reliability(confidence, right)
    shares = found.count / len(right)
    return pd.DataFrame({"confidence": found.confidence, "accuracy": found.accuracy, "share": shares})


def risks(outputs: Outputs) -> pd.DataFrame:
    """Columns coverage and risk, in [0, 1], at most `POINTS` rows."""
    curve = risk_coverage(outputs.confidence, outputs.right)
    chosen = np.unique(np.linspace(0, len(curve.risk) - 1, POINTS).round().astype(int))
    return pd.DataFrame({"coverage": curve.coverage[chosen], "risk": curve.risk[chosen]})


def changed(
    classes: tuple[str, ...],
    sets: Mapping[str, ImageSet],
    found: Mapping[str, Outputs],
    before: Mapping[str, Outputs],
    which: Mapping[str, Tensor],
) -> list[Changed]:
    """The first few of each set whose answer adapting turned, in the order of their paths."""
    return [
        Changed(
            png_or_jpeg=thumbnail(sets[name], index),
            set=name,
            path=sets[name].paths[index],
            truth=classes[int(found[name].truth[index])],
            before=classes[int(before[name].predicted[index])],
            after=classes[int(found[name].predicted[index])],
        )
        for name in sets
        for index in which[name].nonzero()[:CHANGED_PER_SET, 0].tolist()
    ]


def frames(classifier: AdaptedClassifier, images: ImageSet) -> list[tuple[bytes, bytes]]:
    """The first images of different classes as the encoder sees them without and with a learned frame."""
    if not classifier.method.tunable.has_frame:
        return []
    encoder = classifier.encoder
    assert images.labels is not None
    first = np.unique(images.labels, return_index=True)[1][:FRAMES]
    pixels = torch.from_numpy(decode(images.select(sorted(first)), encoder.geometry)[0])
    plain = as_images(pixels, encoder.device)
    with torch.no_grad():
        framed = encoder.as_seen(classifier.adaptation.tower_input(plain))
    return [(_png(a), _png(b)) for a, b in zip(plain, framed, strict=True)]


def _png(image: Tensor) -> bytes:
    """Float [3, H, W] in [0, 1] -> an encoded picture."""
    buffer = io.BytesIO()
    pixels = (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def per_class(classes: tuple[str, ...], found: Mapping[str, Outputs]) -> pd.DataFrame:
    """Accuracy in percent: a row a class, a column a set; NaN where a set lacks the class."""
    columns = {}
    for name, outputs in found.items():
        right = pd.Series(outputs.right.float().numpy() * 100)
        columns[name] = right.groupby(outputs.truth.numpy()).mean()
    table = pd.DataFrame(columns).reindex(range(len(classes)))
    table.index = pd.Index(classes)
    return table


def mistakes(
    classifier: AdaptedClassifier, sets: Mapping[str, ImageSet], found: Mapping[str, Outputs]
) -> list[Mistake]:
    """The most confident wrong answers, at most so many a set and in all."""
    chosen: list[tuple[float, str, int]] = []
    for name in sets:
        outputs = found[name]
        wrong = (~outputs.right).nonzero()[:, 0]
        worst = outputs.confidence[wrong].sort(descending=True, stable=True)
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
