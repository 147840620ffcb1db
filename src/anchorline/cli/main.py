"""The entry point: what is typed becomes a command, and what went wrong becomes one sentence."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence

import tyro
from rich.console import Console

import anchorline
from anchorline.cli.arguments import (
    Ablate,
    Adapt,
    Command,
    Compare,
    Encoders,
    Evaluate,
    Map,
    Methods,
    Predict,
    Report,
)
from anchorline.errors import UserError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; a user's mistake ends with one sentence on standard error and exit status 2."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments == ["--version"]:
        print(f"anchorline {anchorline.__version__}")
        return
    command: Command = tyro.cli(
        Command,
        prog="anchorline",
        description="Adapt a text-image encoder to your images without losing what it already knew.",
        args=_joined(arguments),
        config=(tyro.conf.ConsolidateSubcommandArgs,),
    )
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            _run(command)
    except UserError as error:
        _complain(str(error))
        sys.exit(2)
    except BrokenPipeError:  # `anchorline predict … | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except KeyboardInterrupt:
        _complain("stopped; what is finished is kept, and the same command goes on from there")
        sys.exit(130)


def _run(command: Command) -> None:
    # Imported here: they take seconds, and --help must not wait for them.
    if isinstance(command, Ablate | Map | Report):
        from anchorline.cli import studies

        if isinstance(command, Ablate):
            studies.ablate(command)
        elif isinstance(command, Map):
            studies.draw_map(command)
        else:
            studies.report(command)
    elif isinstance(command, Compare | Adapt | Evaluate | Predict):
        from anchorline.cli import commands

        if isinstance(command, Compare):
            commands.compare(command)
        elif isinstance(command, Adapt):
            commands.adapt(command)
        elif isinstance(command, Evaluate):
            commands.evaluate(command)
        else:
            commands.predict(command)
    else:
        from anchorline.cli import listings

        if isinstance(command, Methods):
            listings.methods()
        elif isinstance(command, Encoders):
            listings.encoders(command.name)
        else:
            listings.suites()


_GATHERED = ("--shift", "--outlier", "--near", "--method", "--set", "--corruption", "--subset")
_NAMES = ("--method", "--near", "--corruption")  # of these any number of plain values


def _joined(arguments: list[str]) -> list[str]:
    """--shift a=x --shift b=y means --shift a=x b=y: a repeated flag adds to what came before."""
    kept: list[str] = []
    gathered: dict[str, list[str]] = {}
    flag, first = "", False
    for argument in arguments:
        if argument.startswith("--"):
            name, equals, value = argument.partition("=")
            flag = name if name in _GATHERED else ""
            if flag:
                gathered.setdefault(flag, []).extend([value] if equals else [])
                first = not equals
                continue
        # --shift a=x b=y RUN: what names no set, beyond the first value, belongs to the command.
        if flag and (first or "=" in argument or flag in _NAMES):
            gathered[flag].append(argument)
            first = False
        else:
            kept.append(argument)
    return kept + [part for name, values in gathered.items() for part in (name, *values)]


def _complain(sentence: str) -> None:
    Console(stderr=True, emoji=False).print(
        f"[bold red]anchorline:[/] {_plain(sentence)}", highlight=False, soft_wrap=True
    )


def _show_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    # Ours are for the user; those of libraries are for their authors.
    if category is UserWarning:
        Console(stderr=True, emoji=False).print(
            f"[bold yellow]warning:[/] {_plain(str(message))}", highlight=False, soft_wrap=True
        )


def _plain(text: str) -> str:
    return text.replace("[", "\\[")
