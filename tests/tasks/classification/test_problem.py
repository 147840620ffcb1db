"""A batch of images against captions: which compete, and which is whose."""

import pytest
import torch
import torch.nn.functional as F

from anchorline.methods.hyperparameters import Training
from anchorline.methods.objectives import Contrastive
from anchorline.methods.tunables import Pretrained
from anchorline.methods.tunables.both_towers import BothTowers
from anchorline.tasks.classification.problem import Classification, Examples
from anchorline.training.optimization import mixed_seed

CLASSES, TEMPLATES = ("cat", "dog", "cow"), ("a {}", "the {}", "some {}")


@pytest.fixture
def problem(tiny_encoder) -> Classification:
    model = BothTowers().start(
        Pretrained(tiny_encoder, CLASSES, TEMPLATES, tiny_encoder.encode_classes(CLASSES, TEMPLATES))
    )
    rng = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (8, 32, 32, 3), generator=rng, dtype=torch.uint8)
    examples = Examples(pixels, torch.tensor([0, 1, 2, 0, 1, 2, 0, 0]))
    return Classification(model, Contrastive(duplicates="negatives"), Training(), examples, examples)


def drawn(problem, seeds) -> list[int]:
    """The template of each image, as the pairs say it."""
    chosen = torch.arange(8)
    _, pairs = problem.batch(chosen, seeds, 0, slice(None))
    own = pairs[problem.labels(chosen, seeds, 0)]
    assert torch.equal(own[:, 0], problem.train.labels)
    return own[:, 1].tolist()


def test_each_image_draws_a_caption_and_all_others_are_negatives(problem):
    """FLYP's released loss: CLIP's own, on images and captions in a row (github.com/locuslab/FLYP)."""
    chosen, seeds = torch.arange(8), [(977 * i + 13) << 16 for i in range(8)]
    templates = drawn(problem, seeds)
    assert len(set(templates)) > 1
    encoder = problem.model.encoder
    texts = [TEMPLATES[t].format(CLASSES[c]) for c, t in zip(problem.train.labels, templates, strict=True)]
    images = encoder.encode_images(problem.train.inputs.numpy())
    similarities = encoder.logit_scale * images @ encoder.encode_texts(texts).T
    target = torch.arange(8)
    expected = (F.cross_entropy(similarities, target) + F.cross_entropy(similarities.T, target)) / 2
    outputs = problem.model(*problem.batch(chosen, seeds, 0, slice(None)))
    found = problem.loss(outputs, problem.labels(chosen, seeds, 0))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_shares_of_a_batch_have_the_same_captions(problem):
    chosen, seeds = torch.arange(8), [i << 16 for i in range(8)]
    parts = [problem.batch(chosen, seeds, 0, slice(start, start + 4)) for start in (0, 4)]
    _, whole = problem.batch(chosen, seeds, 0, slice(None))
    assert all(torch.equal(captions, whole) for _, captions in parts)
    outputs = torch.cat([problem.model(*part) for part in parts])
    torch.testing.assert_close(outputs, problem.model(*problem.batch(chosen, seeds, 0, slice(None))))


def test_over_many_steps_all_templates_are_drawn_alike(problem):
    counts = torch.zeros(3)
    for step in range(100):
        for template in drawn(problem, [mixed_seed(0, 1, step, i) for i in range(8)]):
            counts[template] += 1
    assert (counts / counts.sum() - 1 / 3).abs().max() < 0.06
