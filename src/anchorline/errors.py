"""The errors that a user can cause and mend, and the nearest known names to a wrong one."""

import difflib
from collections.abc import Iterable
from textwrap import shorten


class UserError(Exception):
    """A sentence for the user: what is wrong, where, and what to do about it.

    The command line prints it without a traceback and exits with 2; library users catch it.
    """


class NoSuchFieldError(UserError):
    """A method has no field of that name to set."""


class DivergedError(UserError):
    """Training left the numbers: its loss or gradients are not finite any more."""


def close_names(name: str, known: Iterable[str], n: int = 3, cutoff: float = 0.5) -> list[str]:
    """The known names nearest to a wrong one, whatever their case; nearest first, perhaps none."""
    folded = {one.casefold(): one for one in known}
    return [folded[one] for one in difflib.get_close_matches(name.casefold(), folded, n, cutoff)]


def suggestion(name: str, known: Iterable[str]) -> str:
    """ " (did you mean X?)", or nothing."""
    near = close_names(name, known, n=1, cutoff=0.6)
    return f" (did you mean {near[0]}?)" if near else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """A phrase that names the known names nearest to a wrong one, or some of them."""
    known = list(known)
    if close := close_names(name, known):
        return "the nearest known: " + ", ".join(map(repr, close))
    return "known: " + ", ".join(map(repr, known[:10]))


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """What to raise for a name that is not in a table."""
    known = list(known)
    return UserError(f"unknown {kind} {name!r}{suggestion(name, known)}; give one of {', '.join(known)}")


def first_line(error: Exception) -> str:
    """What an error of a library says, in 300 characters at most; its type where it says nothing."""
    said = str(error).strip().splitlines()
    return shorten(said[0], 300, placeholder=" …") if said else type(error).__name__
