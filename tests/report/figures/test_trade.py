"""The trade between two axes."""

from anchorline.report.figures.trade import pareto_front


def test_the_pareto_front():
    points = [(1.0, 5.0), (2.0, 4.0), (2.0, 3.0), (1.5, 3.5), (3.0, 1.0)]
    assert pareto_front(points) == [0, 1, 4]
