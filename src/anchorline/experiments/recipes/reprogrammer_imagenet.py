"""ImageNet by the protocol of the Reprogrammer (Geng & Chen, SaTML 2024, arXiv 2403.10800).

    anchorline suites imagenet --root DIR
    anchorline reproduce reprogrammer-imagenet --root DIR
    anchorline reproduce reprogrammer-imagenet --scale tiny

The protocol, as released. CLIP ViT-B/32 is adapted to ImageNet-1k. Accuracy is measured on its val images,
ImageNet-V2 (matched frequency), ImageNet-A and ImageNet-R (200 classes each, of which only these compete; the
table of robustness also has the released protocol, in which all 1,000 do) and ImageNet-Sketch; detection
against iNaturalist, SUN, Places (the usual subsets) and DTD, by the maximum softmax probability.

Hyper-parameters: those of `reprogrammer_cifar10`, which are the defaults of the released code
(github.com/IBM/reprogrammer, commit f107472); the README's command for ImageNet repeats --up-resolution 224
and --mr-resolution 192, and scales images to 128 pixels first. The sets are those of evaluate_robustness.py
and compute_metrics.py.

Published figures. As for CIFAR-10: none of the paper's tables could be read where this was written. Beside
ours stands the zero-shot accuracy of the same weights, as open_clip's maintainers measured it.

Cost, expected, not measured: 40 hours for all methods on a GPU that sustains 50 TFLOP/s: 15 for 25 epochs of
1.26 million images through ViT-B/32 twice, and 25 for a thousand captions (6 GFLOP each, three times that to
learn) through the text tower at each of the 245,000 steps of the programs. 210
GiB of temporary disk for decoded images (TMPDIR says where).
"""

from __future__ import annotations

from pathlib import Path

from anchorline.experiments.recipes.base import Recipe, Request, compare_as_published, suite_of
from anchorline.experiments.recipes.reprogrammer_cifar10 import DIFFERENCES, ENCODER, methods
from anchorline.experiments.recipes.zero_shot import zero_shot
from anchorline.suites.benchmarks.replicas import imagenet

NAME = "reprogrammer-imagenet"
SHIFTS = ("imagenet-v2", "imagenet-a", "imagenet-r", "imagenet-sketch")
OUTLIERS = ("inaturalist", "sun", "places", "dtd")

PUBLISHED = (
    *zero_shot(
        "ViT-B-32",
        {
            "ImageNet": "test",
            "V2": "imagenet-v2",
            "A": "imagenet-a",
            "R": "imagenet-r",
            "Sketch": "imagenet-sketch",
        },
    ),
)


def run(request: Request) -> Path:
    suite = suite_of(request, NAME, "imagenet", imagenet.write, SHIFTS, OUTLIERS)
    return compare_as_published(request, RECIPE, suite, ENCODER, methods(len(suite.train)))


RECIPE = Recipe(
    name=NAME,
    about="ImageNet -> V2, A, R, Sketch, four outlier sets: the same methods",
    paper="Geng & Chen 2024, arXiv 2403.10800",
    data="imagenet",
    cost="about 40 hours",
    run=run,
    published=PUBLISHED,
    differences=DIFFERENCES,
)
