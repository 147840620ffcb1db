"""Detectors of the text tower: NegLabel and GL-MCM, by hand; patch features; the shipped words."""

from __future__ import annotations

import math
from dataclasses import replace
from importlib.resources import files

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from open_clip.modified_resnet import ModifiedResNet
from open_clip.timm_model import TimmModel
from torch import Tensor, nn

from anchorline import Encoder, load_encoder
from anchorline.detectors import Arrays, FitData, adjectives, fit_all, local_scores, nouns, patch_features
from anchorline.detectors.evidence import take
from anchorline.detectors.on_text import ADJECTIVE, gl_mcm, mined, neglabel
from anchorline.detectors.patches import _raw
from tests.helpers.detected import (
    CAPTIONS,
    EASY,
    HARD,
    OTHERS,
    SCALE,
    WIDTH,
    encode_words,
    masked,
    seen,
    unit,
)

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)


def test_neglabel_by_hand() -> None:
    """Two classes on the axes of a plane, logit scale 2; twenty nouns, of which SHARE takes three, and seven
    adjectives, of which it takes one. Mined together, the four far nouns would have left no adjective."""
    axes = torch.eye(2)
    nouns = torch.cat([axes[:1].repeat(16, 1), -axes, -axes])
    adjectives = torch.cat([axes[:1].repeat(6, 1), torch.tensor([[0.6, -0.8]])])
    two = replace(
        EASY.restricted(torch.tensor([0, 1])), captions=axes, weight=axes, bias=torch.zeros(2),
        logit_scale=2.0, encode_words=lambda _, template: adjectives if template else nouns,
    )  # fmt: skip
    image = Arrays(torch.zeros(1, 2), torch.tensor([[3.0, 0.0]]), torch.zeros(1, 2))
    classes = math.exp(2) + math.exp(0)
    mined_words = [math.exp(-2), math.exp(0), math.exp(-2), math.exp(1.2)]  # -x, -y, -x; the adjective
    assert neglabel(two, 1)(image).item() == pytest.approx(classes / (classes + sum(mined_words)))
    apart = [classes / (classes + word) for word in mined_words]
    assert neglabel(two, 4)(image).item() == pytest.approx(sum(apart) / 4)
    # Three groups: the fourth word fills none.
    assert neglabel(two, 3)(image).item() == pytest.approx(sum(apart[:3]) / 3)


@pytest.mark.parametrize("groups", [1, 100])
def test_neglabel_rewritten(groups: int) -> None:
    taken = []
    for words, template, count in ((nouns(), "", 1500), (adjectives(), ADJECTIVE, 336)):
        vectors = encode_words(words, template).double()
        nearness = [np.quantile((word @ CAPTIONS.double().T).numpy(), 0.95) for word in vectors]
        farthest = np.argsort(nearness, kind="stable")[:count]
        assert mined(vectors.float(), CAPTIONS).tolist() == farthest.tolist()
        taken.append(vectors[farthest.tolist()])
    kept = torch.cat(taken)[: 1836 // groups * groups]
    order = torch.randperm(len(kept), generator=torch.Generator().manual_seed(0))
    expected = []
    few = take(OTHERS, torch.arange(6), slice(15))
    for image in few.features.double():
        positive = sum(math.exp(SCALE * float(image @ c)) for c in CAPTIONS.double())
        negative = (SCALE * kept[order].view(groups, -1, WIDTH) @ image).exp().sum(1)
        expected.append(float((positive / (positive + negative)).mean()))
    found = neglabel(EASY, groups)(few)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-4, atol=1e-9)


def test_neglabel_reads_directions_only() -> None:
    longer = replace(OTHERS, features=3 * OTHERS.features)
    torch.testing.assert_close(neglabel(EASY, 1)(longer), neglabel(EASY, 1)(OTHERS), rtol=1e-4, atol=1e-9)


def test_neglabel_needs_words_in_the_space_of_the_features() -> None:
    other = replace(EASY, encode_words=lambda words, _: unit(len(words), 7, seed=0))
    fitted, left_out = fit_all(other, ["neglabel", "mcm"])
    assert [scorer.name for scorer in fitted] == ["mcm"]
    assert "features have 32 dimensions and words 7" in left_out["neglabel"]


def test_gl_mcm_adds_the_local_part() -> None:
    e = torch.tensor([[0.0, math.log(3.0)]])
    image = Arrays(e, e, e, local=torch.tensor([0.6], dtype=torch.float64))
    assert gl_mcm(EASY)(image).item() == pytest.approx(0.75 + 0.6)


def test_gl_mcm_is_left_out_without_patches() -> None:
    fitted, left_out = fit_all(replace(EASY, val=replace(EASY.val, local=None)), ["gl-mcm"])
    assert not fitted
    assert "--patches" in left_out["gl-mcm"]


def test_the_words() -> None:
    assert (len(nouns()), len(adjectives())) == (10_000, 2_240)
    # As many adjectives a noun as the released list has mined: 1,921 and 8,578.
    assert len(adjectives()) / len(nouns()) == pytest.approx(1921 / 8578, abs=1e-3)
    words = nouns() + adjectives()
    assert len(words) == len(set(words))
    assert all(word.isascii() and word.isalpha() and word.islower() for word in words)
    data = files("anchorline") / "data" / "words"
    assert "WordNet 3.1 Copyright 2011 by Princeton University" in (data / "LICENSE").read_text()
    assert sum(len((data / f"{name}.txt").read_bytes()) for name in ("nouns", "adjectives")) < 150_000


def standardised(encoder: Encoder) -> Tensor:
    return encoder.standardise(torch.from_numpy(PIXELS).permute(0, 3, 1, 2).float() / 255)


def with_tower(encoder: Encoder, tower: nn.Module) -> Encoder:
    model = nn.Module()
    model.visual = tower.eval()
    return replace(encoder, model=model)


@torch.no_grad()
def test_patches_of_a_vision_transformer(tiny_encoder: Encoder) -> None:
    """The last block, written out: x + out(value(ln_1 x)), then the MLP."""
    tower = tiny_encoder.image_tower
    tokens = tower._embeds(standardised(tiny_encoder))
    tokens = tower.transformer.resblocks[0](tokens)
    last = tower.transformer.resblocks[1]
    _, _, value = F.linear(last.ln_1(tokens), last.attn.in_proj_weight, last.attn.in_proj_bias).chunk(
        3, dim=-1
    )
    tokens = tokens + F.linear(value, last.attn.out_proj.weight, last.attn.out_proj.bias)
    tokens = tokens + last.mlp(last.ln_2(tokens))
    expected = F.normalize(tower.ln_post(tokens[:, 1:]) @ tower.proj, dim=-1)
    found = patch_features(tiny_encoder, standardised(tiny_encoder))
    assert found is not None
    assert found.shape == (5, 16, 24)
    torch.testing.assert_close(found, expected)


@torch.no_grad()
def test_patches_of_a_modified_resnet(tiny_encoder: Encoder) -> None:
    """With attention spread evenly and no positions, the pool is the mean of place features (the query's own
    token, the mean, adds itself to the mean)."""
    torch.manual_seed(0)
    tower = ModifiedResNet((1, 1, 1, 1), output_dim=24, heads=4, image_size=64, width=8)
    pool = tower.attnpool
    for parameter in (pool.positional_embedding, pool.q_proj.weight, pool.q_proj.bias):
        parameter.zero_()
    pool.v_proj.bias.normal_()
    encoder = with_tower(tiny_encoder, tower)
    images = F.interpolate(standardised(tiny_encoder), 64)
    found = patch_features(encoder, images)
    assert found is not None
    assert found.shape == (5, 4, 24)
    maps = tower.layer4(tower.layer3(tower.layer2(tower.layer1(tower.stem(images)))))
    places = pool.c_proj(pool.v_proj(maps.permute(0, 2, 3, 1))).flatten(1, 2)
    torch.testing.assert_close(found, F.normalize(places, dim=-1))
    torch.testing.assert_close(places.mean(1), tower(images))


@pytest.fixture(scope="module")
def bundled() -> Encoder:
    return load_encoder(device="cpu")


@torch.no_grad()
def test_patches_of_the_bundled_encoder_average_to_the_image_feature(bundled: Encoder) -> None:

    images = F.interpolate(standardised(bundled), 64)
    places = _raw(bundled.image_tower, images)
    assert places is not None
    assert places.shape == (5, 4, 384)
    torch.testing.assert_close(places.mean(1), bundled.image_tower(images), rtol=1e-4, atol=1e-5)
    found = patch_features(bundled, images)
    assert found is not None
    torch.testing.assert_close(found, F.normalize(places, dim=-1))


@pytest.mark.parametrize(
    "make",
    [
        lambda: TimmModel("resnet18", 24, image_size=32, pool="max", proj="linear"),
        lambda: TimmModel("resnet18", 24, image_size=32, pool="avg", proj="mlp"),
        lambda: TimmModel("vit_tiny_patch16_224", 24, image_size=224, pool="avg", proj="linear"),
        lambda: open_clip.transformer.VisionTransformer(32, 8, 32, 1, 2, 2.0, pool_type="avg", output_dim=24),
        lambda: open_clip.transformer.VisionTransformer(
            32, 8, 32, 1, 2, 2.0, attentional_pool=True, output_dim=32
        ),
        lambda: nn.Flatten(),
    ],
)
def test_towers_without_patches_that_we_know(tiny_encoder: Encoder, make: object) -> None:
    encoder = with_tower(tiny_encoder, make())  # type: ignore[operator]
    assert patch_features(encoder, standardised(tiny_encoder)) is None
    assert local_scores(encoder, PIXELS, unit(3, 24, seed=0)) is None


@pytest.mark.parametrize("columns", [None, (0, 2)])
def test_local_scores_rewritten(
    tiny_encoder: Encoder, columns: tuple[int, ...] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    captions = unit(3, 24, seed=0)
    competing = captions if columns is None else captions[list(columns)]
    patches = patch_features(tiny_encoder, standardised(tiny_encoder))
    assert patches is not None
    expected = []
    for image in patches.detach().double():
        best = 0.0
        for patch in image:
            odds = [math.exp(float(patch @ c)) for c in competing.double()]
            best = max(best, max(odds) / sum(odds))
        expected.append(best)
    monkeypatch.setattr("anchorline.detectors.patches._BATCH", 2)
    found = local_scores(tiny_encoder, PIXELS, captions, columns)
    assert found is not None
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-5, atol=1e-6)


def test_local_scores_of_no_images(tiny_encoder: Encoder) -> None:
    found = local_scores(tiny_encoder, PIXELS[:0], unit(3, 24, seed=0))
    assert found is not None
    assert len(found) == 0


def test_masked_cosines_do_not_reach_mcm() -> None:
    columns = torch.tensor([0, 1])
    fitted, _ = fit_all(HARD, ["mcm", "gl-mcm"])
    two: FitData = HARD.restricted(columns)
    expected = seen(OTHERS.features, two.captions).cosines.double().softmax(1).amax(1)
    torch.testing.assert_close(fitted[0](masked(OTHERS, columns)), expected)
