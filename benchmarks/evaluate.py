"""The whole evaluation beside plain open_clip zero-shot evaluation of the same images; what detectors cost.

    python benchmarks/evaluate.py [--encoder pictogram-clip] [--images 50000 --classes 1000 --dims 512]

First part: the test, shift and outlier sets of the bundled suite, from their files, with nothing cached.
Plain: open_clip's own preprocessing image by image, its tower in batches, and top-1 accuracy. Ours: the same,
and every metric with its intervals: all detectors fitted and scored, calibration, open-set decisions. Prints
images a second, the ratio, and what is left when the features are at hand.

Second part: seconds for the scores of each detector on random features of IMAGES test images and 10,000
training images, and peak memory; all together should take less than a minute on two cores for 50,000 images
of 1,000 classes.
"""

from __future__ import annotations

import argparse
import io
import resource
import tempfile
import time
from pathlib import Path

import open_clip
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from anchorline import SUITES, Encoder, FeatureStore, Suite, adapt, load_encoder
from anchorline.detectors import Arrays, FitData, fit_all, scores
from anchorline.evaluation.collect import collect
from anchorline.evaluation.evaluators.table import measure
from anchorline.suites.images.image_set import ImageSet

TRAIN, VAL = 10_000, 2_000


def plain(encoder: Encoder, sets: dict[str, ImageSet], weights: Tensor) -> tuple[int, float]:
    """Images and seconds of a plain loop: preprocess, encode, compare."""
    size = encoder.geometry.size
    transform = open_clip.image_transform(size, is_train=False, mean=encoder.mean, std=encoder.std)
    begun, count = time.perf_counter(), 0
    for images in sets.values():
        right = 0
        for start in range(0, len(images), 256):
            paths = images.paths[start : start + 256]
            batch = torch.stack([transform(Image.open(io.BytesIO(images.source.read(p)))) for p in paths])
            with torch.inference_mode():
                features = F.normalize(encoder.model.encode_image(batch), dim=-1)
            answers = (features @ weights.T).argmax(1)
            if images.labels is not None:
                right += int((answers.numpy() == images.labels[start : start + 256]).sum())
        count += len(images)
    return count, time.perf_counter() - begun


def whole(encoder: Encoder, suite: Suite, store: FeatureStore) -> float:
    """Seconds of everything that `compare` measures of the untouched encoder, adapting apart."""
    classifier = adapt(encoder, suite, "zero-shot", store=store)
    begun = time.perf_counter()
    evaluation, _ = collect(classifier, suite, store)
    measure(evaluation)
    return time.perf_counter() - begun


def random_evidence(n: int, weight: Tensor, rng: torch.Generator) -> Arrays:
    features = F.normalize(torch.randn(n, weight.shape[1], generator=rng), dim=1)
    cosines = features @ F.normalize(weight, dim=1).T
    return Arrays(features @ weight.T, features, cosines)


def detectors(images: int, classes: int, dims: int) -> None:
    rng = torch.Generator().manual_seed(0)
    weight = 100 * F.normalize(torch.randn(classes, dims, generator=rng), dim=1)
    labels = {n: torch.arange(n) % classes for n in (TRAIN, VAL)}
    known = FitData(
        train=random_evidence(TRAIN, weight, rng),
        train_labels=labels[TRAIN],
        val=random_evidence(VAL, weight, rng),
        val_labels=labels[VAL],
        synthetic=random_evidence(VAL, weight, rng),
        weight=weight,
        bias=torch.zeros(classes),
        captions=F.normalize(weight, dim=1),
        classes=tuple(f"class {i}" for i in range(classes)),
        logit_scale=100.0,
        encode_words=lambda words, template: F.normalize(torch.randn(len(words), dims, generator=rng), dim=1),
    )
    begun = time.perf_counter()
    detectors, left_out = fit_all(known)
    print(f"fitting on {TRAIN:,} and choosing on {VAL:,} images: {time.perf_counter() - begun:.1f} s")
    evidence = random_evidence(images, weight, rng)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    total = 0.0
    for scorer in detectors:
        begun = time.perf_counter()
        scores([scorer], evidence)
        seconds = time.perf_counter() - begun
        total += seconds
        print(f"{scorer.name:<12} {seconds:7.2f} s")
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10
    print(f"{'all':<12} {total:7.2f} s; {more:,.0f} MiB of memory beyond the evidence")
    print(f"left out: {', '.join(left_out) or 'none'}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", default="pictogram-clip")
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--dims", type=int, default=512)
    args = parser.parse_args()
    encoder, suite = load_encoder(args.encoder, "cpu"), SUITES["pictograms"]()
    sets = {name: images for name, images in suite.sets().items() if name not in ("train", "val")}
    print(f"{torch.get_num_threads()} threads, {args.encoder}, {suite.name}")
    weights = encoder.encode_classes(suite.classes, encoder.templates)
    count, seconds = plain(encoder, sets, weights)
    print(f"{'plain open_clip':<32} {count / seconds:7.0f} images/s   1.00 x")
    with tempfile.TemporaryDirectory() as folder:
        store = FeatureStore(Path(folder))
        adapt(encoder, suite, "zero-shot", store=store)  # captions and train: not part of evaluating
        ours = whole(encoder, suite, store)
        again = whole(encoder, suite, FeatureStore(Path(folder)))
    print(f"{'ours, every metric':<32} {count / ours:7.0f} images/s {seconds / ours:6.2f} x")
    print(f"{'ours, features at hand':<32} {count / again:7.0f} images/s {seconds / again:6.2f} x")
    detectors(args.images, args.classes, args.dims)


if __name__ == "__main__":
    main()
