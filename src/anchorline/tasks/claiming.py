"""Whose a directory is, before a comparison or a run is written into it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from anchorline.engine.directories import About, Held, Named, claim_directory
from anchorline.engine.distributed import from_main_process
from anchorline.engine.jobs import Job, read_json
from anchorline.engine.locks import refuse_busy
from anchorline.engine.progress import Narrator
from anchorline.engine.storage import read_facts
from anchorline.errors import UserError
from anchorline.tasks.comparison import ANSWERS

# Names that a comparison writes into its directory; `--overwrite` takes away nothing else.
_OURS = (
    "results.csv", "results.jsonl", "differences.csv", "alpha.csv", "matrix.csv", "movement.csv",
    "published.csv", "report.html", "ablation.csv", "ablation.html",
    f"{ANSWERS}/suite.json", f"{ANSWERS}/methods.json", f"{ANSWERS}/differences.json",
    *(
        f"runs/*/seed-*/{name}"
        for name in (
            "config.json", "tuned.safetensors", "metrics.jsonl", "movement.csv", "sequence.json",
            "figures-*.json", "trial-*/training.jsonl", "trial-*/checkpoint.safetensors",
            "trial-*/trial-*.safetensors", "trial-*/trial-*.json", "trial-*/task-*/training.jsonl",
            "trial-*/task-*/checkpoint.safetensors", "trial-*/task-*/tuned.safetensors",
            f"{ANSWERS}/measurement-*.safetensors", f"{ANSWERS}/details-*.safetensors",
            f"{ANSWERS}/counts-*.safetensors", f"{ANSWERS}/alpha.json",
        )
    ),
)  # fmt: skip


def claim_comparison(directory: Path, kind: str, about: About, overwrite: bool) -> Path:
    """The directory of a comparison: new, empty, or with one of the same `kind` and of the same suite and
    encoder, which `about` names. Raises `UserError`."""

    def before(directory: Path) -> Held | None:
        if {one.name for one in directory.iterdir() if not one.name.startswith(".")} == {"replica"}:
            return kind, {}  # which a recipe has just drawn
        return _unmarked_comparison(directory) or _unmarked_run(directory)

    return claim_directory(directory, kind, about, ours=_OURS, before=before, overwrite=overwrite)


def _unmarked_comparison(directory: Path) -> Held | None:
    """What an earlier version has left: results.csv tells of what, and its runs that it is one."""
    configurations = [read_json(file) for file in directory.glob("runs/*/seed-*/config.json")]
    if not any("configuration_hash" in facts for facts in configurations):
        return None
    try:
        first = pd.read_csv(directory / "results.csv", nrows=1, dtype=str).iloc[0]
        about = {
            "suite": Named(first.suite, first.suite_hash),
            "encoder": Named(first.encoder, first.encoder_hash),
        }
    except (OSError, ValueError, IndexError, AttributeError):
        return None
    if (directory / "ablation.csv").is_file():
        return "ablation of an earlier version", about
    task = "continual learning" if (directory / "matrix.csv").is_file() else "classification"
    kinds = {facts.get("task") for facts in configurations}
    return f"comparison of {'segmentation' if 'segmentation' in kinds else task}", about


def claim_run(directory: Path, kind: str, job: Job, overwrite: bool, narrator: Narrator) -> None:
    """The directory of a run: new, empty, or with a run of the same kind. Raises `UserError` for a directory
    with something else, or, unless `overwrite` says to replace it, with the finished run of another
    request."""
    claim_directory(directory, kind, {}, ours=(), before=_unmarked_run)
    claim_jobs([job], overwrite, narrator)


def claim_jobs(jobs: Sequence[Job], overwrite: bool, narrator: Narrator) -> None:
    """Raises `UserError` where finished runs of other requests stand in the way of jobs, unless `overwrite`
    says to replace them and nobody is at work there."""
    # One process decides for all: what lies there changes when it is taken away.
    for job in from_main_process(lambda: [one for one in jobs if one.holds_another()]):
        run = job.file.parent
        of_now = read_json(job.file).get("format") == job.request["format"]
        other = "other settings or images" if of_now else "the format of an earlier version"
        if not overwrite:
            raise UserError(
                f"{run} holds a finished run with {other}; give another directory with --out, or replace it "
                "with --overwrite"
            )
        narrator.say(f"note: {run} held a run with {other}, which this one replaces")
        from_main_process(partial(_replace, job))


def _replace(job: Job) -> None:
    refuse_busy(job.file.parent)
    job.file.unlink(missing_ok=True)


def _unmarked_run(directory: Path) -> Held | None:
    """What an earlier version has left: a finished run, or the trials of one."""
    facts = read_json(directory / "config.json")
    states = [read_facts(file) for file in directory.glob("trial-*/checkpoint.safetensors")]
    if "configuration_hash" not in facts and not any("identity" in state for state in states):
        return None
    if (directory / "sequence.json").is_file():
        return "sequence", {}
    return "segmentation run" if facts.get("task") else "run", {}
