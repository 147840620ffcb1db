"""The papers' experiments, a readable file each: `anchorline reproduce NAME`.

Each file begins with the protocol, every hyper-parameter with its source, the figures that are known, the
cost and the command. The tests run each at tiny scale, so that none can rot.
"""

from __future__ import annotations

from anchorline.errors import UserError, nearest
from anchorline.experiments.recipes import (
    ftp_domainnet,
    ftp_imagenet,
    ftp_imagenet_r,
    ftp_pascal,
    reprogrammer_cifar10,
    reprogrammer_imagenet,
)
from anchorline.experiments.recipes.base import Recipe, Request, Scale

__all__ = ["RECIPES", "Recipe", "Request", "Scale", "find_recipe"]

RECIPES: dict[str, Recipe] = {
    module.RECIPE.name: module.RECIPE
    for module in (
        reprogrammer_cifar10,
        reprogrammer_imagenet,
        ftp_domainnet,
        ftp_imagenet,
        ftp_pascal,
        ftp_imagenet_r,
    )
}


def find_recipe(name: str) -> Recipe:
    """The recipe of that name. Raises `UserError`."""
    if name not in RECIPES:
        raise UserError(
            f"there is no recipe {name!r} ({nearest(name, RECIPES)}); 'anchorline reproduce' lists them"
        )
    return RECIPES[name]
