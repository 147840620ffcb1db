"""The entry point: what is typed becomes a command, and what went wrong becomes one sentence."""

from __future__ import annotations

import atexit
import os
import shlex
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Union

import tyro

from anchorline.cli.ablate import Ablate, ablate
from anchorline.cli.adapt import Adapt, adapt
from anchorline.cli.compare import Compare, compare
from anchorline.cli.continual import Continual, continual
from anchorline.cli.evaluate import Evaluate, evaluate
from anchorline.cli.listings import Encoders, Methods, encoders, methods
from anchorline.cli.map import Map, draw_map
from anchorline.cli.predict import Predict, predict
from anchorline.cli.report import Report, report
from anchorline.cli.reproduce import Reproduce, reproduce
from anchorline.cli.segment import Segment, segment
from anchorline.cli.suite_listing import Suites, suites
from anchorline.engine.distributed import leave
from anchorline.engine.paths import with_homes
from anchorline.engine.terminal import console, tolerate
from anchorline.errors import UserError, first_line
from anchorline.version import __version__, command_line

_COMMANDS: dict[type, Callable[[Any], None]] = {  # in the order of --help
    Compare: compare,
    Adapt: adapt,
    Predict: predict,
    Evaluate: evaluate,
    Segment: segment,
    Continual: continual,
    Ablate: ablate,
    Map: draw_map,
    Report: report,
    Reproduce: reproduce,
    Methods: methods,
    Encoders: encoders,
    Suites: suites,
}
_ANY: Any = Union[tuple(_COMMANDS)]  # noqa: UP007, it is computed


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; a user's mistake ends with one sentence on standard error and exit status 2."""
    atexit.register(leave)
    tolerate()
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            _obey(list(sys.argv[1:] if arguments is None else arguments))
    except UserError as error:
        _complain(str(error))
        sys.exit(2)
    except (MemoryError, RuntimeError) as error:
        from anchorline.engine.memory import out_of_memory  # takes seconds, which --help must not

        if not out_of_memory(error):
            raise
        _complain(f"memory is full ({first_line(error)}); {_LESS_MEMORY}")
        sys.exit(2)
    except BrokenPipeError:  # `anchorline predict … | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except KeyboardInterrupt:
        _complain("stopped; what is finished is kept, and the same command goes on from there")
        sys.exit(130)


def _obey(arguments: list[str]) -> None:
    if arguments == ["--version"]:
        print(f"anchorline {__version__}")
        return
    command = tyro.cli(
        _ANY,
        prog="anchorline",
        description="Adapt a text-image encoder to your images without losing what it already knew.",
        args=_joined(arguments),
        config=(tyro.conf.ConsolidateSubcommandArgs,),
    )
    asked = command_line.set(shlex.join(["anchorline", *arguments]))
    try:
        _COMMANDS[type(command)](with_homes(command))
    finally:
        command_line.reset(asked)


_LESS_MEMORY = (
    "where it was training, give --set training.grad_accumulation_steps=4 or a smaller training.batch_size; "
    "else a lower --memory-limit; or --device cpu, where a GPU was full"
)
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
    console(stderr=True, markup=True, soft_wrap=True).print(f"[bold red]anchorline:[/] {_plain(sentence)}")


def _show_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    # Ours are for the user; those of libraries are for their authors.
    if category is UserWarning:
        console(stderr=True, markup=True, soft_wrap=True).print(
            f"[bold yellow]warning:[/] {_plain(str(message))}"
        )


def _plain(text: str) -> str:
    return text.replace("[", "\\[")
