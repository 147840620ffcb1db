"""Blends: their two ends, and what lies between."""

import pytest
import torch
import torch.nn.functional as F

from anchorline.methods.blends import ALPHAS, LinearOutputs, Logits, Residual, Unblended, Weights


def view(seed: int, length: float = 10.0) -> LinearOutputs:
    rng = torch.Generator().manual_seed(seed)
    return LinearOutputs(
        F.normalize(torch.randn(6, 8, generator=rng), dim=1),
        length * F.normalize(torch.randn(3, 8, generator=rng), dim=1),
        torch.randn(3, generator=rng) if seed else torch.zeros(3),
    )


PRETRAINED, ADAPTED = view(0), view(1)


@pytest.mark.parametrize("blend", [Residual(), Residual(renormalise=True), Logits()])
def test_the_ends_are_the_two_classifiers(blend):
    torch.testing.assert_close(blend.view(ADAPTED, PRETRAINED, 0.0).logits, ADAPTED.logits)
    torch.testing.assert_close(blend.view(ADAPTED, PRETRAINED, 1.0).logits, PRETRAINED.logits)


def test_residual_features_are_the_paper_s():
    """z = (1 - α) z_adapted + α z_pre-trained on both towers, not renormalised."""
    images = 0.6 * ADAPTED.images + 0.4 * PRETRAINED.images
    weight = 0.6 * ADAPTED.weight + 0.4 * PRETRAINED.weight
    expected = images @ weight.T + 0.6 * ADAPTED.bias
    torch.testing.assert_close(Residual().view(ADAPTED, PRETRAINED, 0.4).logits, expected)
    only_images = Residual(on="image").view(ADAPTED, PRETRAINED, 0.4).logits
    torch.testing.assert_close(only_images, images @ ADAPTED.weight.T + ADAPTED.bias)
    only_text = Residual(on="text").view(ADAPTED, PRETRAINED, 0.4).logits
    torch.testing.assert_close(only_text, ADAPTED.images @ weight.T + 0.6 * ADAPTED.bias)


def test_renormalised_features_have_unit_length_and_class_vectors_keep_theirs():
    flat = LinearOutputs(PRETRAINED.images, PRETRAINED.weight, torch.zeros(3))
    other = LinearOutputs(ADAPTED.images, ADAPTED.weight, torch.zeros(3))
    logits = Residual(renormalise=True).view(other, flat, 0.5).logits
    cosines = logits / 10.0
    images = F.normalize(other.images + flat.images, dim=1)
    weight = F.normalize(other.weight + flat.weight, dim=1)
    torch.testing.assert_close(cosines, images @ weight.T)


def test_weights_are_interpolated_and_only_they():
    tuned, pretrained = {"a": torch.tensor([1.0, 3.0])}, {"a": torch.tensor([3.0, 3.0])}
    assert Weights().weights(tuned, pretrained, 0.25)["a"].tolist() == [1.5, 3.0]
    for blend in (Unblended(), Residual(), Logits()):
        assert blend.weights(tuned, pretrained, 0.25)["a"].tolist() == [1.0, 3.0]
    torch.testing.assert_close(Weights().view(ADAPTED, PRETRAINED, 0.5).logits, ADAPTED.logits)
    assert ALPHAS[0] == 0.0
    assert ALPHAS[-1] == 1.0
