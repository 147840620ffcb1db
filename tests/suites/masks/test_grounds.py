"""The grounds of composed scenes."""

import numpy as np

from anchorline.suites.masks.grounds import TEXTURES, ground


def test_grounds_are_muted_and_differ():
    seen = [ground(64, np.random.default_rng(seed)) for seed in range(30)]
    assert len({image.tobytes() for image in seen}) == 30
    for image in seen:
        assert image.shape == (64, 64, 3)
        assert 80 < image.mean() < 220
        assert (image.max(axis=2).astype(int) - image.min(axis=2)).mean() < 90
    for texture in TEXTURES:
        mixed = texture(64, np.random.default_rng(0))
        assert 0 <= mixed.min() < mixed.max() <= 1
