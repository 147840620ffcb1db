"""Where to write the labels of a scatter plot so that none covers another."""

import itertools
import math
from collections.abc import Sequence

Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels
MARKER = 7.0  # half of the square kept free around a marker, pixels
NEAR = 6.0  # gap between a marker and a label that needs no leader, pixels
GAPS = (NEAR, 20.0, 36.0, 54.0, 76.0, 100.0)
ANGLES = [math.radians(a) for a in (0, 180, 90, 270, 45, 315, 135, 225, 20, 160, 340, 200, 65, 115)]


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def segment(x: float, y: float, to_x: float, to_y: float) -> list[Box]:
    """A straight line as a string of small boxes, 8 pixels apart, without its ends."""
    steps = max(int(math.hypot(to_x - x, to_y - y) / 8), 2)
    at = [(x + (to_x - x) * s / steps, y + (to_y - y) * s / steps) for s in range(1, steps)]
    return [(px - 1, py - 1, px + 1, py + 1) for px, py in at]


def _side(share: float) -> float:
    return min(max(1.5 * share, -1.0), 1.0)


def place(
    points: Sequence[tuple[float, float]],
    widths: Sequence[float],
    height: float,
    size: tuple[float, float],
    lines: Sequence[Box],
) -> list[tuple[float, float, bool] | None]:
    """Choose an offset for each label, first come first served.

    Args:
        points: marker positions in pixels, y growing downwards.
        widths: width of each label, pixels.
        height: height of every label, pixels.
        size: width and height of the plot, pixels; labels stay inside.
        lines: boxes around drawn lines, such as error bars, that labels avoid while they can.

    Returns:
        for each point the label's centre relative to the marker and whether a leader is needed,
        or None where there is no room for the label.
    """
    markers: list[Box] = [(x - MARKER, y - MARKER, x + MARKER, y + MARKER) for x, y in points]
    taken: list[Box] = []
    placed: list[tuple[float, float, bool] | None] = []
    for index, ((x, y), width) in enumerate(zip(points, widths, strict=True)):
        others = markers[:index] + markers[index + 1 :]
        spot = _free_spot((x, y), width, height, size, [*taken, *others, *lines], taken)
        spot = spot or _free_spot((x, y), width, height, size, [*taken, *others], taken)
        if spot is None:
            placed.append(None)
            continue
        offset, boxes = spot
        placed.append(offset)
        taken += boxes
    return placed


def _free_spot(
    point: tuple[float, float],
    width: float,
    height: float,
    size: tuple[float, float],
    avoid: Sequence[Box],
    avoid_leader: Sequence[Box],
) -> tuple[tuple[float, float, bool], list[Box]] | None:
    """The nearest free offset, and the boxes that the label and its leader then take."""
    x, y = point
    for gap, angle in itertools.product(GAPS, ANGLES):
        across, up = math.cos(angle), math.sin(angle)
        # A label stands centred above or beside its marker, and by its corner on a diagonal.
        dx = across * (gap + MARKER) + _side(across) * width / 2
        dy = -up * (gap + MARKER / 2) - _side(up) * height / 2
        left, top = x + dx - width / 2, y + dy - height / 2
        box = (left, top, left + width, top + height)
        if left < 0 or top < 0 or box[2] > size[0] or box[3] > size[1]:
            continue
        leader = segment(x, y, x + dx, y + dy) if gap > NEAR else []
        leader = [b for b in leader if not _overlap(b, box)]
        if any(_overlap(box, b) for b in avoid):
            continue
        if any(_overlap(b, t) for b in leader for t in avoid_leader):
            continue
        return (dx, dy, gap > NEAR), [box, *leader]
    return None
