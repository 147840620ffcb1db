"""The commands `methods` and `encoders`: what there is to choose from."""

from __future__ import annotations

from dataclasses import dataclass

import tyro
from rich import box
from rich.table import Column, Table

from anchorline.engine.terminal import console
from anchorline.errors import UserError


@dataclass(frozen=True)
class Methods:
    """Print the table of methods."""


@dataclass(frozen=True)
class Encoders:
    """List the encoders that --encoder takes."""

    name: tyro.conf.Positional[str] = ""
    """Show the pre-trained weights of the open_clip architectures that have this in their name."""


def methods(command: Methods) -> None:
    """A method is four choices: the table of them."""
    from anchorline.methods.table import METHODS

    screen = console(markup=True)
    table = Table(
        Column("method", no_wrap=True), "trained", Column("objective", min_width=len("cross-entropy")),
        Column("constraint", no_wrap=True), Column("blend", no_wrap=True),
        box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True,
        caption="what is trained? what for? what holds it to the anchor? how do both meet at inference?",
    )  # fmt: skip
    for row in METHODS.values():
        objective = row.objective.name if row.objective else "–"
        table.add_row(row.name, row.tunable.name, objective, row.constraint.name, row.blend.name)
    screen.print(table)
    for row in METHODS.values():
        screen.print(f"[bold]{row.name}[/]: {row.about}. [dim]{row.source}[/]")


def encoders(command: Encoders) -> None:
    import open_clip

    from anchorline.encoders.loading import BUNDLED

    screen, name = console(markup=True), command.name
    if not name:
        screen.print(f"[bold]{BUNDLED}[/]  in the package, for 64 px pictograms; needs no network")
        screen.print("[bold]local-dir:DIR[/]  a directory as open_clip writes it; needs no network")
        screen.print("[bold]MODEL:FILE[/]  an open_clip architecture with your own weights; needs no network")
        screen.print("[bold]MODEL:TAG=FILE[/]  the same, with images prepared as for the weights of that tag")
        screen.print("[bold]hf-hub:OWNER/NAME[/]  an open_clip model on the Hugging Face hub")
        screen.print("[bold]MODEL:TAG[/]  an open_clip architecture with weights that open_clip knows:")
    known: dict[str, list[str]] = {}
    for model, tag in open_clip.list_pretrained():
        if name.lower() in model.lower():
            known.setdefault(model, []).append(tag)
    if not known:
        raise UserError(f"no open_clip architecture with pre-trained weights has {name!r} in its name")
    for model, tags in known.items():
        shown = tags if name else [*tags[:3], *(["…"] if len(tags) > 3 else [])]
        screen.print(f"  {model}: {', '.join(shown)}")
    if not name:
        screen.print("'anchorline encoders MODEL' lists all weights of a model.")
