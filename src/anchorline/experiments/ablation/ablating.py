"""`ablate`: one choice of a method varied, everything else as it was, all measured by `compare`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from anchorline.encoders.encoder import Encoder
from anchorline.encoders.features import FeatureStore
from anchorline.engine.distributed import is_main_process
from anchorline.engine.progress import Narrator
from anchorline.engine.storage import write_text
from anchorline.errors import UserError
from anchorline.experiments.ablation.page import write_ablation
from anchorline.experiments.ablation.table import REPROGRAMMER, SINGLE_CAPTION, Ablation, find_ablation
from anchorline.methods.blends import ALPHAS
from anchorline.methods.settings import override, validate
from anchorline.methods.table import METHODS, Method, find_method
from anchorline.metric import AXES, UNTOUCHED
from anchorline.suites.suite import Suite
from anchorline.tasks.classification.comparing import Comparison, compare

COLUMNS = ["variant", "x", "method", "seed", "axis", "value"]


@dataclass(frozen=True, eq=False)
class Ablated:
    """What `ablate` found.

    Attributes:
        rows: as in ablation.csv: variant, x (NaN where variants are categories), method, seed, axis
            (id_accuracy, shift_accuracy, auroc) and value in percent. The untouched encoder comes first, as
            the variant "untouched".
        page: ablation.html.
        comparison: all variants side by side, with everything that `compare` measures.
    """

    rows: pd.DataFrame
    page: Path
    comparison: Comparison = field(repr=False)


@dataclass(frozen=True)
class _Placed:
    """A row to compare, and where the figure shows it."""

    row: Method
    variant: str
    x: float
    method: str  # the line that it belongs to


def ablate(
    suite: Suite,
    encoder: Encoder,
    name: str,
    out: str | Path,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    store: FeatureStore | None = None,
    narrator: Narrator | None = None,
    method: str | Method | None = None,
    settings: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> Ablated:
    """Vary one choice of a method, by default of the Reprogrammer at its released learning rate.

    Beside each variant of a method without a blend stands its residual, which spares the training (see
    `adapt`). `settings` go into the method before it is varied. Writes into `out`: ablation.csv,
    ablation.html, and all that `compare` writes; the same call goes on from what is there. Raises `UserError`
    for an unknown ablation, a method that lacks the choice, or a setting that the ablation itself varies.
    """
    ablation = find_ablation(name)
    row = _row(ablation, method or REPROGRAMMER, settings or {})
    placed = list(_placed(ablation, row))
    rows = [one.row for one in placed]
    for one in rows:
        validate(one)
    if row.captions == "single":
        rows.append(METHODS[SINGLE_CAPTION])
    found = compare(
        suite, encoder, rows, out, seeds=seeds, store=store, narrator=narrator, overwrite=overwrite,
        kind=f"ablation of {ablation.name} of {row.name}",
    )  # fmt: skip
    parts = [_of_rows(found, _untouched(row)), _of_rows(found, placed)]
    if not ablation.variants:
        parts[1] = _of_strengths(found, placed)
    table = pd.concat(parts, ignore_index=True)
    page = found.directory / "ablation.html"
    if is_main_process():
        write_text(found.directory / "ablation.csv", table.to_csv(index=False))
        write_ablation(page, ablation, row, table, found)
    return Ablated(table, page, found)


def _row(ablation: Ablation, method: str | Method, settings: Mapping[str, str]) -> Method:
    for path in settings:
        if ablation.varies(path):
            raise UserError(f"--set {path}: this is what 'ablate {ablation.name}' varies; leave it out")
    row = override(find_method(method) if isinstance(method, str) else method, settings)
    if ablation.variants and row.training is None:
        raise UserError(
            f"{row.name} follows no gradients, so 'ablate {ablation.name}' would change nothing; give a "
            "method that does"
        )
    return row


def _placed(ablation: Ablation, row: Method) -> Iterator[_Placed]:
    if not ablation.variants:
        blended = row if row.blend.blends else _residual(row)
        yield _Placed(blended, "", math.nan, blended.name)
    for variant in ablation.variants:
        changed = override(row, variant.settings)
        x = math.nan if variant.x is None else variant.x
        lines = [changed] if row.blend.blends else [changed, _residual(changed)]
        for line in lines:
            yield _Placed(replace(line, name=f"{line.name}, {variant.name}"), variant.name, x, line.name)


def _residual(row: Method) -> Method:
    return replace(override(row, {"blend": "residual"}), name=f"{row.name}, residual")


def _untouched(row: Method) -> list[_Placed]:
    names = [UNTOUCHED, SINGLE_CAPTION] if row.captions == "single" else [UNTOUCHED]
    return [_Placed(METHODS[name], "untouched", math.nan, name) for name in names]


def _of_rows(found: Comparison, placed: Sequence[_Placed]) -> pd.DataFrame:
    """The axes of the rows, as columns of ablation.csv."""
    measured = found.rows[(found.rows.role == "summary") & found.rows.metric.isin(AXES)]
    return pd.DataFrame(
        [
            (one.variant, one.x, one.method, own.seed, own.metric, own.value)
            for one in placed
            for own in measured[measured.method == one.row.name].itertuples()
        ],
        columns=COLUMNS,
    )


def _of_strengths(found: Comparison, placed: Sequence[_Placed]) -> pd.DataFrame:
    """The axes of the rows at each strength of their blends, as `compare` has measured them."""
    curves = pd.read_csv(found.directory / "alpha.csv")
    curves = curves[curves.method.isin([one.row.name for one in placed]) & curves.alpha.isin(ALPHAS)]
    return pd.DataFrame(
        [
            (f"α = {point['alpha']:g}", point["alpha"], point["method"], point["seed"], axis, point[axis])
            for point in curves.to_dict("records")
            for axis in AXES
            if not math.isnan(point[axis])
        ],
        columns=COLUMNS,
    )
