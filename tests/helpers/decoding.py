"""The sets of a suite as pixels."""

from anchorline import Suite
from anchorline.suites.images.decode import Geometry, decode
from anchorline.suites.images.rgb import Pixels


def decoded(suite: Suite, geometry: Geometry) -> tuple[Suite, dict[str, Pixels]]:
    """The suite without its bad images, and the pixels of each set, row for row."""
    found = {name: decode(images, geometry) for name, images in suite.sets().items()}
    pixels = {name: kept for name, (kept, _) in found.items()}
    return suite.without_bad({name: bad for name, (_, bad) in found.items()}), pixels
