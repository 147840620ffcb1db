"""`reproduce`: a paper's experiment as one command, or the list of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from anchorline.cli.options import Device


@dataclass(frozen=True)
class Reproduce:
    """Run a paper's experiment by its own protocol, its figures beside yours; without a name: list them."""

    name: tyro.conf.Positional[str] = ""
    """reprogrammer-cifar10, reprogrammer-imagenet, ftp-domainnet, ftp-imagenet, ftp-pascal or
    ftp-imagenet-r."""
    root: Path | None = None
    """Directory that holds the data sets; 'anchorline suites NAME --root DIR' checks what is there."""
    scale: Literal["paper", "tiny"] = "paper"
    """tiny: the same code on a miniature replica of the data that is drawn into --out, in half a minute on a
    CPU; it shows that the recipe runs, and its figures mean nothing."""
    seeds: tuple[int, ...] = ()
    """Seeds, over which figures are means; left out: those of the recipe."""
    out: Path | None = None
    """Directory of the results (left out: runs/reproduce/NAME, or NAME-tiny); the same command goes on from
    what is there."""
    device: Device = ""


def reproduce(command: Reproduce) -> None:
    from anchorline.cli import shared
    from anchorline.experiments.recipes import Request, find_recipe

    if not command.name:
        _list()
        return
    recipe = find_recipe(command.name)
    tiny = "-tiny" if command.scale == "tiny" else ""
    out = command.out or Path("runs/reproduce") / f"{recipe.name}{tiny}"
    with shared.narrator() as narrator:
        page = recipe.run(
            Request(
                out=out,
                root=command.root,
                scale=command.scale,
                device=command.device,
                seeds=shared.seeds_of(command.seeds),
                narrator=narrator,
            )
        )
    shared.print_line(f"Report: {page.resolve()}")


def _list() -> None:
    from rich.padding import Padding
    from rich.text import Text

    from anchorline.engine.terminal import console
    from anchorline.experiments.recipes import RECIPES

    screen = console()
    for recipe in RECIPES.values():
        figures = len(recipe.published)
        lines = (
            recipe.about,
            f"paper: {recipe.paper}",
            f"data: {recipe.data}",
            f"expected on one GPU: {recipe.cost}",
            f"published figures beside yours: {figures or 'none, for none could be read in its source'}",
        )
        screen.print(Text(recipe.name, style="bold"))
        for line in lines:
            screen.print(Padding(line, (0, 0, 0, 4)))
    screen.print(
        "'anchorline reproduce NAME --root DIR' runs one; --scale tiny tries it without data. The file of "
        "each in anchorline/experiments/recipes tells the protocol."
    )
