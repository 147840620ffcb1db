"""The commands: compare, adapt, predict, evaluate, ablate, map, report, methods, encoders, suites."""

from anchorline.cli.main import main

__all__ = ["main"]
