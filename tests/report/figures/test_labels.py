"""Labels of points in a plane."""

import numpy as np

from anchorline.report.figures.labels import place


def test_labels_never_overlap():
    rng = np.random.default_rng(0)
    points = [(float(x), float(y)) for x, y in rng.uniform((0, 0), (900, 400), (60, 2))]
    placed = place(points, [120.0] * 60, 16.0, (900.0, 400.0), [])
    boxes = [(x + p[0], y + p[1]) for (x, y), p in zip(points, placed, strict=True) if p]
    assert len(boxes) > 30
    for i, (x, y) in enumerate(boxes):
        assert all(abs(x - a) >= 119.99 or abs(y - b) >= 15.99 for a, b in boxes[:i])
