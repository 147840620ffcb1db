"""Training steps of the recipe ftp-domainnet beside a loop in plain PyTorch, as the released code has it.

Source: github.com/GT-RIPL/FTP, main_finetune.py, engine_finetune.py and models/clip_resnet.py: CLIP's ResNet
in training mode, a fresh linear layer on its raw features, SGD with Nesterov's momentum. The module itself
is open_clip's, so that what is checked is how it is trained.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import open_clip
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anchorline import Encoder, FeatureStore, Suite, UserError, adapt
from anchorline.encoders.encoder import as_images
from anchorline.experiments.recipes import ftp_domainnet
from anchorline.methods.constraints import Unconstrained
from anchorline.methods.objectives import CrossEntropy
from anchorline.methods.settings import override, validate
from anchorline.methods.table import METHODS
from anchorline.methods.tunables import ImageTower, Pretrained
from anchorline.tasks.classification.problem import Classification, Examples
from anchorline.training.loop import train
from tests.helpers.tiny import TINY

RESNET = {"layers": [1, 1, 1, 1], "width": 8, "image_size": 64, "head_width": 64}
EPOCHS, RATE = 4, 1e-3  # batch normalisation magnifies rounding: at 1e-2 the order of images tells


@pytest.fixture(scope="module")
def resnet(tiny_encoder: Encoder) -> Encoder:
    """The tiny encoder with CLIP's ResNet, of random weights."""
    torch.manual_seed(5)
    model = open_clip.model.CLIP(**{**TINY, "vision_cfg": RESNET})
    geometry = replace(tiny_encoder.geometry, size=(64, 64))
    return replace(tiny_encoder, model=model.eval().requires_grad_(False), geometry=geometry)


def pixels_of(encoder: Encoder, suite: Suite) -> tuple[Examples, Examples]:
    learn, choose = (
        Examples(
            torch.from_numpy(FeatureStore().pixels(encoder.geometry, one)[0]), torch.from_numpy(one.labels)
        )
        for one in (suite.train, suite.val)
    )
    return learn, choose


def by_hand(encoder: Encoder, head: nn.Linear, train: Examples) -> tuple[nn.Module, list[float]]:
    """So many steps on all of train at once: the tower and the loss before each."""
    tower = copy.deepcopy(encoder.image_tower).requires_grad_(True).train()
    both = [*tower.parameters(), *head.parameters()]
    optimizer = torch.optim.SGD(both, lr=RATE, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS)
    images, losses = encoder.standardise(as_images(train.inputs, encoder.device)), []
    for _ in range(EPOCHS):
        loss = F.cross_entropy(head(tower(images)), train.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return tower, losses


def test_steps_and_statistics_are_those_of_a_plain_loop(resnet, colours):
    learn, choose = pixels_of(resnet, colours)
    row = next(one for one in ftp_domainnet.methods() if one.name == "fine-tune")
    recipe = replace(
        row.training,
        epochs=EPOCHS, batch_size=len(learn), lr=RATE, augmentation="none", grad_accumulation_steps=1,
    )  # fmt: skip
    captions = resnet.encode_classes(colours.classes, resnet.templates)
    model = row.tunable.start(Pretrained(resnet, colours.classes, resnet.templates, captions))
    head = nn.Linear(captions.shape[1], len(captions))
    head.load_state_dict({name: value.detach().clone() for name, value in model.head.items()})
    assert head.weight.abs().max() <= captions.shape[1] ** -0.5  # as torch.nn.Linear starts

    found = train(Classification(model, CrossEntropy(), recipe, learn, choose), Unconstrained(), recipe)
    tower, losses = by_hand(resnet, head, learn)

    assert [one["train_loss"] for one in found.history] == pytest.approx(losses, rel=1e-4)
    last = model.tuned()  # after the last step, whichever epoch is the best
    for name, value in tower.state_dict().items():
        if "num_batches" not in name:
            torch.testing.assert_close(last[f"tower.{name}"], value.detach(), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(last["head.weight"], head.weight.detach(), rtol=1e-3, atol=1e-5)
    moved = [name for name in last if "running_" in name]
    assert moved
    before = dict(resnet.image_tower.named_buffers())
    assert not any(torch.equal(last[name], before[name.removeprefix("tower.")]) for name in moved)


def test_what_is_learnt_so_is_used_so(resnet, colours, tmp_path):
    """Features of any length and moved statistics, from training through a file to prediction."""
    row = override(METHODS["fine-tune"], {
        "tunable.statistics": "updated", "tunable.start_from": "random", "training.lr": "1e-2",
        "training.epochs": "12", "training.optimizer": "sgd", "training.batch_size": "12",
    })  # fmt: skip
    found = adapt(resnet, colours, row)
    images = as_images(
        torch.from_numpy(FeatureStore().pixels(resnet.geometry, colours.test)[0]), resnet.device
    )
    tower = copy.deepcopy(resnet.image_tower)
    own = {name.removeprefix("tower."): value for name, value in found.tuned.items() if "tower." in name}
    tower.load_state_dict({**tower.state_dict(), **own})
    features: Tensor = tower.eval()(resnet.standardise(images))
    views = found.views(FeatureStore(), colours.test)
    torch.testing.assert_close(views.adapted, features.detach(), rtol=1e-4, atol=1e-5)
    expected = features @ found.tuned["head.weight"].T + found.tuned["head.bias"]
    torch.testing.assert_close(found.logits(views), expected.detach(), rtol=1e-4, atol=1e-4)
    assert found.cosines(views).abs().max() <= 1 + 1e-6


def test_a_tower_without_batch_normalisation_has_no_statistics(tiny_encoder, colours):
    captions = tiny_encoder.encode_classes(colours.classes, tiny_encoder.templates)
    given = Pretrained(tiny_encoder, colours.classes, tiny_encoder.templates, captions)
    with pytest.raises(UserError, match="has no batch normalisation, whose statistics could be updated"):
        ImageTower(statistics="updated").start(given)


@pytest.mark.parametrize(
    ("blend", "sentence"),
    [("weights", "has no pre-trained weights to go back to"), ("residual", "has features of any length")],
)
def test_a_random_head_does_not_blend(blend, sentence):
    row = override(METHODS["fine-tune"], {"tunable.start_from": "random", "blend": blend})
    with pytest.raises(UserError, match=sentence):
        validate(row)
