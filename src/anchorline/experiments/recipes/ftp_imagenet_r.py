"""ImageNet-R in ten tasks, the continual-learning benchmark of Fast Trainable Projection (arXiv 2310.19182).

    anchorline suites imagenet-r --root DIR
    anchorline reproduce ftp-imagenet-r --root DIR
    anchorline reproduce ftp-imagenet-r --scale tiny

The protocol. The 200 classes of ImageNet-R are learnt in ten tasks of twenty, in an order drawn by seed,
without stored images; at test time all classes seen so far compete. 24,000 images are learnt from and 6,000
tested on, by the lists of CODA-Prompt where they are on disk (`anchorline suites imagenet-r`). Reported:
A_{1:N}, the mean accuracy over the tasks after the last, and F_N, the mean loss of a task learnt before.

Hyper-parameters. The paper's own for this benchmark are in no released file. Its code base, CODA-Prompt
(github.com/GT-RIPL/CODA-Prompt, configs/imnet-r_prompt.yaml), has

    tasks             10 of 20 classes, order at random             first_split_size, rand_split
    epochs, batch     50, 128                                       schedule, batch_size
    schedule          a quarter of a cosine, once an epoch          schedule_type; utils/schedulers.py
    decay             none                                          weight_decay
    augmentation      random crop of 8 to 100 % of the area, scaled to 224 pixels, mirrored
                                                                    dataloaders/utils.py
    backbone          ViT-B/16 pre-trained on ImageNet              model_name: vit_pt_imnet

which are taken over but for the backbone. Its learning rate, 1e-3, is that of prompts; for weights two
rates are tried for the whole sequence, 1e-5 and 1e-4 (those of the head alone: 1e-3 and 1e-2), which is
ours, and val chooses.

Published figures. None: the paper's table could not be read where this was written, and what is not read in
its source is not quoted.

Cost, expected, not measured: 15 hours a seed for all methods on a GPU that sustains 50 TFLOP/s: 50 epochs
of 19,200 images through ViT-B/16 (35 GFLOP forward, three times that to learn), twice for each method that
trains the tower, and for `joint` after each task anew. 5 GiB of decoded images.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from anchorline.encoders.features import FeatureStore
from anchorline.encoders.loading import BUNDLED, load_encoder
from anchorline.experiments.recipes.base import Recipe, Request, suite_of
from anchorline.experiments.recipes.miniature import brief
from anchorline.methods.table import Search
from anchorline.report.published import Published
from anchorline.suites.benchmarks.replicas import imagenet
from anchorline.tasks import continual
from anchorline.tasks.continual import ContinualMethod

NAME = "ftp-imagenet-r"
ENCODER = "ViT-B-16:openai"
TASKS = 10
METHODS = ("linear-probe", "fine-tune", "l2-sp", "ftp", "ftp-previous", "joint")
_RATES = {"linear-probe": (1e-3, 1e-2)}
_TOWER_RATES = (1e-5, 1e-4)

PUBLISHED: tuple[Published, ...] = ()

DIFFERENCES = (
    "the encoder is CLIP's ViT-B/16, whose captions start the head; the paper's was pre-trained on "
    "ImageNet's labels, of which ImageNet-R's are a part",
    "val, a fifth of train, chooses the learning rate and the best epoch",
)


def methods(tiny: bool) -> list[ContinualMethod]:
    """The rows with the budget of the paper's code base, or with a minute's."""
    rows = []
    for name in METHODS:
        row = continual.METHODS[name]
        assert row.method.training is not None
        training = replace(
            row.method.training, epochs=50, batch_size=128, warmup_fraction=0.0, schedule="quarter-cosine",
            weight_decay=0.0, crop_scale=(0.08, 1.0),
        )  # fmt: skip
        search: Search = (("training.lr", _RATES.get(name, _TOWER_RATES)),)
        if tiny:
            training, search = brief(training), ()
        rows.append(replace(row, method=replace(row.method, training=training, search=search)))
    return rows


def run(request: Request) -> Path:
    suite = suite_of(request, NAME, "imagenet-r", imagenet.write_r)
    encoder = BUNDLED if request.tiny else ENCODER
    request.narrator.say(f"loading {encoder} …")
    found = continual.compare(
        replace(suite, notes=(*suite.notes, *DIFFERENCES)),
        load_encoder(encoder, request.device or None),
        methods(request.tiny),
        request.out,
        tasks=TASKS,
        seeds=request.seeds or (0,),
        store=FeatureStore(),
        narrator=request.narrator,
        published=PUBLISHED,
    )
    return found.report


RECIPE = Recipe(
    name=NAME,
    about="ImageNet-R, 200 classes in 10 tasks: fine-tune, L2-SP, FTP by two anchors, joint",
    paper="Tian et al. 2023, arXiv 2310.19182; code base of Smith et al. 2023, arXiv 2211.13218",
    data="imagenet-r",
    cost="about 15 hours a seed",
    run=run,
    published=PUBLISHED,
    differences=DIFFERENCES,
)
