"""The report: what it says, that it stays offline, and that no name can break it."""

import html
import json
import math
import re
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from anchorline.metric import CORRUPTED, IN_DISTRIBUTION
from anchorline.report import (
    Changed,
    Histogram,
    MethodDetails,
    Mistake,
    write_report,
)
from anchorline.report.figures import calibration
from anchorline.report.figures.blends import blends
from anchorline.report.figures.heat import changes_by_set, matrices
from anchorline.report.figures.labels import place
from anchorline.report.figures.layers import DECADES, deviations, radii
from anchorline.report.figures.radar import MOST, radars
from anchorline.report.figures.severity import severity_curves
from anchorline.report.figures.style import COLOURS
from anchorline.report.figures.trade import pareto_front
from anchorline.report.numbers import Results
from anchorline.report.sentences import sentences
from anchorline.report.tables import detectors, robustness
from anchorline.report.tables.cells import DASH, Table
from tests.helpers.reported import CORRUPTIONS, DETECTORS, Suite

HOSTILE = "</script><img src=x onerror=alert(1)>"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (64).to_bytes(4) * 2  # as far as width and height
AXES = {"zero-shot": (70.0, 60.0, 90.0), "fine-tune": (92.0, 52.0, 84.0), "ftp": (90.0, 61.5, 90.5)}


def table(
    axes: Mapping[str, tuple[float, float, float]] = AXES,
    *,
    shifts: Sequence[str] = ("sketch", "emoji"),
    outliers: Sequence[str] = ("flags",),
    seeds: int = 1,
) -> pd.DataFrame:
    """A results table whose seeds lie one point apart; deltas are taken against zero-shot."""
    rows: list[dict[str, Any]] = []
    base = axes.get("zero-shot", (math.nan,) * 3)
    for method, values in axes.items():
        for seed in range(seeds):
            identity = {"method": method, "seed": seed, "suite_hash": "s", "encoder_hash": "e"}

            def add(role: str, metric: str, value: float, _: dict[str, Any] = identity, **more: Any):
                rows.append({"set": "", "role": role, "metric": metric, "value": value, **_, **more})

            accuracy, shift, auroc = (v + seed for v in values)
            interval = {"low": accuracy - 1, "high": accuracy + 1, "n": 2000}
            add("test", "accuracy", accuracy, set="test", **interval)
            summary = {"id_accuracy": accuracy, "delta_id": values[0] - base[0]}
            if shifts:
                summary |= {"shift_accuracy": shift, "delta_shift": values[1] - base[1]}
            if outliers:
                summary |= {"auroc": auroc, "delta_auroc": values[2] - base[2]}
            kept = [accuracy, *([shift] if shifts else []), *([auroc] if outliers else [])]
            summary |= {"mean_of_axes": sum(kept) / len(kept), "trainable_parameters": 86_192_640}
            summary |= {"seconds": 412.0, "peak_memory": 3120.0}
            for metric, value in summary.items():
                add("summary", metric, value)
            for name in shifts:
                interval = {"low": shift - 3, "high": shift + 3, "n": 600}
                add("shift", "accuracy", shift, set=name, **interval)
            for name in outliers:
                for score in ("msp", "mcm"):
                    add("outlier", "auroc", auroc, set=name, score=score)
                    for convention, rate in (("id-positive", 31.4), ("outlier-positive", 27.1)):
                        more = {"score": score, "convention": convention}
                        add("outlier", "fpr95", rate, set=name, **more)
    columns = ["set", "score", "convention", "low", "high", "n"]
    return pd.DataFrame(rows).reindex(columns=[*dict.fromkeys([*rows[0], *columns])])


def detail(
    method: str = "ftp",
    classes: Sequence[str] = ("cat", "dog"),
    outliers: Sequence[str] = ("flags",),
    path: str = "cat/1.png",
) -> MethodDetails:
    scores = np.linspace(0, 1, 50)
    histograms = [Histogram("test", "test", scores)]
    histograms += [Histogram(name, "outlier", scores) for name in outliers]
    mistake = Mistake(PNG, "sketch", path, classes[0], classes[-1], 0.987)
    accuracy = pd.DataFrame(81.25, index=list(classes), columns=["test", "sketch"])
    accuracy.iloc[0, 1] = np.nan
    changes = pd.DataFrame(
        {"negative_flips": [1200, 3], "positive_flips": [200, 13]}, index=["test", *outliers]
    )
    return MethodDetails(
        method,
        "one line about it",
        histograms,
        [mistake],
        accuracy,
        negative_flips=[
            Changed(PNG, outliers[0], f"{classes[0]}/2.png", classes[0], classes[0], classes[-1])
        ],
        positive_flips=[
            Changed(PNG, outliers[0], f"{classes[0]}/3.png", classes[0], classes[-1], classes[0])
        ],
        changes=changes,
        frames=[(PNG, PNG)],
    )


def curve(method: str = "ftp", seeds: int = 1, **axes: float) -> pd.DataFrame:
    """A blend whose axes fall by a point with each tenth; seed s uses α = s / 10 + 0.05, off the grid."""
    rows = []
    for seed in range(seeds):
        used = seed / 10 + 0.05
        for alpha in sorted({i / 10 for i in range(11)} | {used}):
            row = {"method": method, "seed": seed, "alpha": alpha, "chosen": alpha == used}
            for axis in ("id_accuracy", "shift_accuracy", "auroc"):
                row[axis] = axes.get(axis, 80.0) - 10 * alpha + seed
            rows.append(row)
    return pd.DataFrame(rows)


LAYERS = ("conv.weight", "bn.weight", "bn.bias", "proj.weight")


def movement(
    method: str = "ftp",
    layers: Sequence[str] = LAYERS,
    *,
    learned: bool = True,
    seeds: int = 1,
    epochs: int = 2,
) -> pd.DataFrame:
    """Layer i moves by 0.1^i an epoch, and by a seventh more with each seed; its radius is twice that."""
    rows = []
    for seed, epoch, (i, name) in product(range(seeds), range(1, epochs + 1), enumerate(layers)):
        far = epoch * 0.1**i * (1 + seed / 7)
        row = {"method": method, "seed": seed, "epoch": epoch, "parameter": name, "deviation": far}
        rows.append(row | {"radius": 2 * far if learned else math.nan})
    return pd.DataFrame(rows)


def page(
    path: Path,
    rows: pd.DataFrame,
    details: Sequence[MethodDetails] = (),
    *,
    title: str = "A comparison",
    curves: pd.DataFrame | None = None,
    movements: pd.DataFrame | None = None,
    facts: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> str:
    file = path / "report.html"
    facts = facts or {"FPR95 convention": "id-positive"}
    tables = {"curves": curves, "movements": movements}
    given = {name: pd.DataFrame() if table is None else table for name, table in tables.items()}
    write_report(file, title=title, rows=rows, details=details, facts=facts, notes=notes, **given)
    return file.read_text("utf-8")


class Page(HTMLParser):
    """The elements of a page with their attributes, its visible text, and its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[str | None, str]] = []
        self.ids: list[str | None] = []  # of the scripts
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

        if tag == "script":
            self.scripts.append((dict(attrs).get("type"), ""))
            self.ids.append(dict(attrs).get("id"))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            kind, before = self.scripts.pop()
            self.scripts.append((kind, before + data))
        else:
            self.text.append(data)

    def figures(self) -> list[dict[str, Any]]:
        found = [json.loads(data) for kind, data in self.scripts if kind == "application/json"]
        return [one for one in found if isinstance(one, dict)]

    def json(self, name: str) -> Any:
        return json.loads(self.scripts[self.ids.index(name)][1])


def spoken(rows: pd.DataFrame) -> list[str]:
    return [html.unescape(re.sub("</?b>", "", s)) for s in sentences(Results(rows))]


def test_the_summary_tells_the_numbers():
    assert spoken(table()) == [
        "Best in-distribution accuracy: fine-tune, 92.0 %; best mean accuracy over 2 shifts: "
        "ftp, 61.5 %; best mean AUROC over 1 outlier set: ftp, 90.5 %.",
        "ftp, the adapted method with the highest mean of the axes (80.7 %), gains 20.0 points "
        "in distribution, 1.5 points under shift and 0.5 points in mean AUROC against the "
        "untouched encoder (zero-shot).",
        "Of the 2 adapted methods 1 gains in distribution and loses on no other axis: ftp.",
    ]


def test_the_summary_of_a_single_adapted_method_tells_what_it_lost():
    rows = table({m: AXES[m] for m in ("zero-shot", "fine-tune")})
    assert spoken(rows)[1:] == [
        "fine-tune gains 22.0 points in distribution and loses 8.0 points under shift and "
        "6.0 points in mean AUROC against the untouched encoder (zero-shot)."
    ]


@pytest.mark.parametrize(
    ("method", "last"),
    [
        ("zero-shot", "Nothing was adapted: only the untouched encoder is shown."),
        ("ftp", "The untouched encoder (zero-shot) was not run, so gains and losses are unknown."),
    ],
)
def test_the_summary_of_one_method(method: str, last: str):
    assert spoken(table({method: AXES[method]}))[-1] == last


def test_the_page_shows_results_with_sign_unit_and_interval(tmp_path: Path):
    text = page(tmp_path, table(), [detail()], notes=["Shift 'sketch' holds 7 of the 10 classes."])
    assert re.search(r'class="best" data-value="92" data-spread="91 93">92.0<small>91.0.93.0</small>', text)
    assert re.search(r'class="gain"[^>]*>\+20.0<', text)
    assert re.search(r'class="loss"[^>]*>\N{MINUS SIGN}8.0<', text)
    for expected in ("86.2 M", "MiB", "31.4", "27.1", "id-positive", "outlier-positive"):
        assert expected in text
    assert "Shift &#39;sketch&#39; holds 7 of the 10 classes." in text
    assert "98.7 % · sketch" in text


def test_several_seeds_show_mean_and_deviation(tmp_path: Path):
    text = page(tmp_path, table(seeds=3))
    assert "93.0<small>± 1.0</small>" in text
    assert 'data-spread="1">93.0' in text
    assert f"91.0{DASH}93.0" not in text


def test_one_repeated_evaluation_is_not_a_second_seed():
    rows = table()
    number = Results(pd.concat([rows, rows])).in_distribution("ftp")
    assert (number.mean, number.seeds) == (90.0, 1)


def test_the_interval_of_the_mean_of_shifts():
    number = Results(table()).mean_shift("ftp")
    assert number.high - number.mean == pytest.approx(math.hypot(3, 3) / 2)


def test_the_interval_of_the_only_shift_is_its_own():
    results = Results(table(shifts=("sketch",)))
    own = results.get("ftp", "shift", "accuracy", "sketch")
    number = results.mean_shift("ftp")
    assert (number.low, number.high) == (own.low, own.high)


def test_names_are_text_everywhere(tmp_path: Path):
    """No name becomes an element, an attribute or a part of a script, in HTML or in plotly."""
    axes = {HOSTILE: AXES["ftp"], "zero-shot": AXES["zero-shot"]}
    rows = table(axes, shifts=[HOSTILE], outliers=[HOSTILE])
    classes = [f'{HOSTILE}" onload="alert(2)', "dog"]
    bad = detail(HOSTILE, classes, [HOSTILE])
    kinds = {"title": HOSTILE, "facts": {HOSTILE: HOSTILE}, "notes": [HOSTILE], "curves": curve(HOSTILE)}
    kinds["movements"] = movement(HOSTILE, [HOSTILE, "proj"])
    harmless = table({"a": AXES["ftp"], "zero-shot": AXES["zero-shot"]})
    moved = movement("a", ["conv", "proj"])
    plain = Page(page(tmp_path, harmless, [detail("a")], curves=curve("a"), movements=moved))
    parsed = Page(page(tmp_path, rows, [bad], **kinds))

    numbers = [a["data-picture"] for tag, a in parsed.elements if tag == "img"]
    assert numbers == ["0"] * 5  # all alike, so it stands there once
    (pictures,) = parsed.json("pictures")
    assert pictures.startswith("data:image/png;base64,")
    assert not any(name.startswith("on") for _, a in parsed.elements for name in a)
    assert [kind for kind, _ in parsed.scripts] == [kind for kind, _ in plain.scripts]
    assert parsed.text.count(HOSTILE) > 12
    figures = parsed.figures()
    data = [json.dumps(figure["layout"].pop("meta")) for figure in figures]  # of the CSV: never drawn
    assert all(HOSTILE in one for one in data[:3])
    drawn = json.dumps(figures)
    assert "&lt;/script&gt;" in drawn
    assert "<img" not in drawn


def test_undecodable_paths_are_written_as_escapes(tmp_path: Path):
    assert "caf\\udce9" in page(tmp_path, table(), [detail(path="caf\udce9.png")])


def test_nothing_is_loaded_from_elsewhere(tmp_path: Path):
    parsed = Page(page(tmp_path, table(), [detail()], curves=curve(), movements=movement()))
    for tag, attributes in parsed.elements:
        assert tag not in {"link", "iframe", "object", "embed", "base"}
        for name in ("src", "href", "srcset", "action", "data"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:")), (tag, value)
    policy = next(a["content"] or "" for _, a in parsed.elements if "http-equiv" in a)
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1]
    assert sum("plotly.js v" in data for _, data in parsed.scripts) == 1


def test_without_shifts_outliers_and_details(tmp_path: Path):
    bare = MethodDetails("ftp", "", [], [], pd.DataFrame())
    text = page(tmp_path, table({"ftp": AXES["ftp"]}, shifts=(), outliers=()), [bare])
    assert "Nothing to plot" in text
    # fmt: off
    for section in (
        "shifts", "outliers", "blends", "layers", "confidence", "classes", "mistakes", "changed", "frames",
    ):
        # fmt: on
        assert f'id="{section}"' not in text
        assert f'href="#{section}"' not in text
    assert not Page(text).figures()


def test_missing_values_are_dashes(tmp_path: Path):
    rows = table()
    rows.loc[rows["metric"].isin(["peak_memory", "auroc", "delta_auroc"]), "value"] = np.nan
    curves = curve().assign(auroc=None)
    curves.loc[3, "shift_accuracy"] = np.nan
    movements = movement()
    movements.loc[2, ["deviation", "radius"]] = np.nan
    text = page(tmp_path, rows, [detail()], curves=curves, movements=movements)
    assert f"<td>{DASH}</td>" in text
    assert not re.search(r">[^<]*\bnan\b[^<]*<", re.sub(r"<script.*?</script>", "", text, flags=re.S))
    assert "NaN" not in json.dumps(Page(text).figures())


def test_sixty_methods_and_a_thousand_classes(tmp_path: Path):
    axes = {f"method {i}": (60 + i / 2, 70 - i / 3, 80.0) for i in range(59)}
    axes["x" * 200] = (99.0, 40.0, 70.0)
    classes = [f"class {i}" for i in range(1000)]
    text = page(tmp_path, table(axes), [detail("method 0", classes), detail("method 1", classes)])
    names = [row[0] for n in (1, 2) for row in Page(text).json(f"classes-{n}")]
    assert names == 2 * classes
    trade = Page(text).figures()[0]
    assert len(trade["data"][1]["x"]) == 60
    assert max(len(html.unescape(a["text"])) for a in trade["layout"]["annotations"]) <= 28


def test_radars_show_all_changes_on_one_scale():
    shown = radars(Results(table()))
    assert shown is not None
    assert (shown.centre, shown.corner, shown.shown, shown.left_out) == (-25, 25, 2, 0)
    outline, tuned, _, kept = shown.figure.data
    assert set(outline.r) == {0.0}
    assert tuned.r == (22.0, -8.0, -6.0, 22.0)
    assert kept.r == (20.0, 1.5, 0.5, 20.0)
    assert [p.radialaxis.range for p in shown.figure.select_polars()][:2] == [(-25, 25)] * 2
    assert "+22.0" in tuned.theta[0]
    assert "\N{MINUS SIGN}8.0" in tuned.theta[1]


def test_large_losses_do_not_shrink_gains():
    shown = radars(Results(table({"zero-shot": (70.0, 60.0, 90.0), "worse": (71.0, 28.0, 90.0)})))
    assert shown is not None
    assert (shown.centre, shown.corner) == (-35, 5)


@pytest.mark.parametrize("missing", ["shifts", "outliers"])
def test_no_radar_without_all_three_axes(missing: str):
    assert radars(Results(table(**{missing: ()}))) is None


def test_no_radar_without_the_untouched_encoder(tmp_path: Path):
    assert "All three axes at once" not in page(tmp_path, table({"ftp": AXES["ftp"]}))


def test_the_page_says_which_radars_are_left_out(tmp_path: Path):
    axes = AXES | {f"method {i}": (80.0, 60.0, 90.0) for i in range(MOST)}
    assert "The first 12 methods are shown; the table below holds the other 2 too." in page(
        tmp_path, table(axes)
    )


def test_blends_show_each_axis_and_the_way_through_the_plane():
    ((method, figure),) = blends(curve())
    assert method == "ftp"
    assert [a.text for a in figure.layout.annotations] == [
        "in distribution: accuracy (%)",
        "shifts: mean accuracy (%)",
        "outliers: mean AUROC (%)",
        "shifts against in distribution",
    ]
    line, used = figure.data[:2]
    assert (line.x[:3], line.y[:3]) == ((0.0, 0.05, 0.1), (80.0, 79.5, 79.0))
    assert (used.x, used.y) == ((0.05,), (79.5,))


def test_blends_of_several_seeds_average_only_what_all_seeds_share():
    ((_, figure),) = blends(curve(seeds=3))
    band, line, used = figure.data[:3]
    assert line.x == tuple(i / 10 for i in range(11))
    assert line.y[0] == 81.0
    assert max(band.y) == 82.0
    assert set(line.customdata) == {" ± 1.0"}
    assert used.x == pytest.approx((0.05, 0.15, 0.25))
    assert used.y == pytest.approx((79.5, 79.5, 79.5))
    assert list(used.customdata) == ["seed 0, α = 0.05", "seed 1, α = 0.15", "seed 2, α = 0.25"]


def test_blends_leave_out_unknown_axes_and_methods_without_any():
    no_outliers = curve("a").assign(auroc=None)
    only_test = curve("b").assign(shift_accuracy=np.nan, auroc=np.nan)
    nothing = curve("c").assign(id_accuracy=np.nan, shift_accuracy=np.nan, auroc=np.nan)
    found = blends(pd.concat([no_outliers, only_test, nothing]))
    assert [(m, len(f.layout.annotations)) for m, f in found] == [("a", 3), ("b", 1)]
    assert blends(pd.DataFrame()) == []


def test_all_panels_of_blends_span_equally_many_points():
    figures = blends(pd.concat([curve("a", id_accuracy=99.5), curve("b", seeds=2, auroc=9.0)]))
    panels = [axis.range for _, f in figures for axis in f.select_yaxes()]
    assert len(panels) == 8
    assert [high - low for low, high in panels] == pytest.approx([panels[0][1] - panels[0][0]] * 8)
    assert all(low > -2 and high < 102 for low, high in panels)


def test_the_page_says_that_blends_train_nothing(tmp_path: Path):
    text = page(tmp_path, table(), curves=pd.concat([curve(), curve("fine-tune")]))
    assert "Nothing was trained for these curves" in text
    assert 'href="#blends"' in text
    assert len(Page(text).figures()) == 5  # trade, radars, changes by set and two blends
    assert "once a seed" not in text
    assert "once a seed" in page(tmp_path, table(seeds=2), curves=curve(seeds=2))


def test_deviations_show_one_line_a_method_at_its_last_epoch():
    figure = deviations(pd.concat([movement("a", epochs=3), movement("b", learned=False, seeds=2)]))
    assert [line.name for line in figure.data] == ["a", "b"]
    assert figure.layout.yaxis.type == "log"
    for line, far in zip(figure.data, (3, 2), strict=True):  # of the first seed
        assert line.x == (1, 2, 3, 4)
        assert line.customdata == LAYERS
        assert line.y == pytest.approx([far * 0.1**i for i in range(4)])
    ten = deviations(pd.concat([movement(f"method {i}") for i in range(2 * len(COLOURS))]))
    assert len({(line.line.color, line.line.dash, line.marker.symbol) for line in ten.data}) == 10


def test_layers_of_all_methods_stand_in_the_order_of_the_model():
    some, early = movement("biases", ["bn.bias", "head.bias"]), movement("late", ["stem", "bn.bias"])
    figure = deviations(pd.concat([some, movement("all"), early]))
    order = {name: x for line in figure.data for name, x in zip(line.customdata, line.x, strict=True)}
    assert sorted(order, key=order.__getitem__) == [
        "stem", "conv.weight", "bn.weight", "bn.bias", "proj.weight", "head.bias",
    ]  # fmt: skip
    assert [line.name for line in figure.data] == ["biases", "all", "late"]
    assert figure.data[0].x == (order["bn.bias"], order["head.bias"])


def test_layers_that_stay_or_hardly_move_do_not_stretch_the_axis():
    table = movement()
    table.loc[table.parameter == "bn.weight", "deviation"] = 0.0
    table.loc[table.parameter == "bn.bias", "deviation"] = 1e-12
    table.loc[table.parameter == "conv.weight", "deviation"] = math.inf
    figure = deviations(table)
    assert figure.data[0].customdata == ("bn.bias", "proj.weight")
    low, high = figure.layout.yaxis.range
    assert low < math.log10(0.002) < high < low + 1.1 * DECADES
    assert deviations(table.assign(deviation=0.0)) is None


def test_learned_radii_stand_beside_deviations_on_one_scale():
    moved = pd.concat(
        [movement("ftp"), movement("tune", learned=False), movement("tpgm", [*LAYERS, "x" * 99])]
    )
    figures = dict(radii(moved))
    assert list(figures) == ["ftp", "tpgm"]
    learned, walked = figures["ftp"].data
    assert np.array(walked.z) == pytest.approx(
        np.log10([[1, 2], [0.1, 0.2], [0.01, 0.02], [1e-3, 2e-3]]), abs=1e-3
    )
    assert np.array(learned.z) - np.array(walked.z) == pytest.approx(np.full((4, 2), math.log10(2)), abs=2e-3)
    assert [row[1] for row in learned.customdata][1] == ["bn.weight", 2, "0.4", "0.2"]
    first, other = (f.layout.coloraxis for f in figures.values())
    assert learned.coloraxis == walked.coloraxis == "coloraxis"
    assert (first.cmin, first.cmax) == (other.cmin, other.cmax) == (math.log10(4) - DECADES, math.log10(4))
    assert first.colorbar.title.text == "sum of absolute values, largest row"
    assert first.colorbar.ticktext == ("0.01", "0.1", "1")
    assert figures["ftp"].layout.yaxis.ticktext == LAYERS
    assert figures["ftp"].layout.yaxis.autorange == "reversed"
    assert len(figures["tpgm"].layout.yaxis.ticktext[-1]) == 30
    assert radii(pd.DataFrame()) == radii(movement(learned=False)) == []


def test_five_hundred_layers_are_no_taller_than_a_screen():
    names = [f"tower.trunk.blocks.{i}.attention.projection.weight" for i in range(500)]
    ((_, figure),) = radii(movement(layers=names).assign(deviation=0.1))
    assert figure.layout.height < 720
    assert len(figure.layout.yaxis.ticktext) <= 40
    assert figure.layout.yaxis.ticktext[-1].startswith("…")
    assert "attention.projection.weight" in figure.layout.yaxis.ticktext[-1]


def test_the_page_tells_what_a_radius_is_where_one_was_learned(tmp_path: Path):
    both = pd.concat([movement(), movement("fine-tune", learned=False)])
    text = page(tmp_path, table(), curves=curve(), movements=both)
    assert text.index('id="blends"') < text.index('id="layers"') < text.index('id="measured"')
    assert 'href="#layers"' in text
    assert "a deviation cannot exceed its radius" in text
    assert "<h3>ftp: learned radii</h3>" in text
    assert "<h3>fine-tune: learned radii</h3>" not in text
    assert "of the first seed" not in text
    assert "of the first seed" in page(tmp_path, table(seeds=2), movements=movement(seeds=2))
    without = page(tmp_path, table(), movements=movement(learned=False))
    assert 'id="layers"' in without
    assert "radius" not in without.split('<section id="layers">')[1].split("</section>")[0]


def test_changed_images_are_counted_and_shown(tmp_path: Path):
    text = page(tmp_path, table(), [MethodDetails("zero-shot", "", [], [], pd.DataFrame()), detail()])
    section = text.split('<section id="changed">')[1].split("</section>")[0]
    assert section.count("<details") == 1
    assert ">1,200<" in section
    assert 'class="loss" data-value="-1000">\N{MINUS SIGN}1,000<' in section
    assert 'class="gain" data-value="10">+10<' in section
    assert 'cat → <span class="wrong">dog</span>' in section
    assert '<span class="wrong">dog</span> → cat' in section
    assert 'title="flags: cat/2.png"' in section


def test_learned_frames_stand_in_pairs_and_small_ones_are_doubled(tmp_path: Path):
    large = PNG[:-8] + (224).to_bytes(4) * 2
    details = [detail(), MethodDetails("big", "", [], [], pd.DataFrame(), frames=[(large, large)])]
    section = page(tmp_path, table(), details).split('<section id="frames">')[1].split("</section>")[0]
    assert section.count('width="128"') == section.count('width="224"') == 2
    assert section.count("<li>") == 2


def test_frames_must_be_png(tmp_path: Path):
    jpeg = b"\xff\xd8\xff" + bytes(30)
    bad = MethodDetails("ftp", "", [], [], pd.DataFrame(), frames=[(PNG, jpeg)])
    with pytest.raises(ValueError, match="must be PNG"):
        page(tmp_path, table(), [bad])


def test_a_method_that_fails_stands_at_the_edge_of_the_trade(tmp_path: Path):
    axes = {f"method {i}": (80.0 + i, 60.0 + i, 90.0) for i in range(8)} | {"failed": (20.0, 11.0, 60.0)}
    text = page(tmp_path, table(axes))
    figure = Page(text).figures()[0]
    assert figure["layout"]["xaxis"]["range"][0] > 70
    assert [a["text"] for a in figure["layout"]["annotations"]].count("failed (20.0 / 11.0)") == 1
    assert "Triangles at the edge" in text
    assert "Triangles at the edge" not in page(tmp_path, table())


DIFFERENCES = pd.DataFrame(
    [
        ("zero-shot", "ftp", "id_accuracy", -20.0, True),
        ("zero-shot", "fine-tune", "id_accuracy", -22.0, True),
        ("fine-tune", "zero-shot", "shift_accuracy", -8.0, True),
        ("ftp", "zero-shot", "shift_accuracy", 1.5, False),
        ("ftp", "fine-tune", "shift_accuracy", 9.5, True),
    ],
    columns=["a", "b", "axis", "difference", "significant"],
).assign(low=lambda t: t.difference - 1, high=lambda t: t.difference + 1, p=0.01, p_holm=0.03)


def test_the_summary_tells_what_is_larger_than_noise():
    told = sentences(Results(table()), DIFFERENCES)
    assert html.unescape(re.sub("</?b>", "", told[-1])) == (
        "Of the differences to the untouched encoder, these are larger than noise: in distribution 2 gains "
        "(fine-tune, ftp); under shift 1 loss (fine-tune)."
    )
    assert len(told) == 3


def test_differences_stand_on_both_sides_and_only_those_beyond_noise_are_coloured():
    axis, figure = matrices(DIFFERENCES)[1]
    assert axis == "mean of shifts"
    heat = figure.data[0]
    names = list(figure.layout.yaxis.ticktext)
    at = {name: i for i, name in enumerate(names)}
    assert heat.z[at["ftp"]][at["fine-tune"]] == -heat.z[at["fine-tune"]][at["ftp"]] == 9.5
    assert heat.z[at["ftp"]][at["zero-shot"]] == 0  # within noise: white, and its number pale
    assert heat.text[at["zero-shot"]][at["ftp"]].endswith(">\N{MINUS SIGN}1.5</span>")
    assert heat.text[at["ftp"]][at["fine-tune"]] == "<b>+9.5</b>"
    assert heat.z[0][0] is None


def test_changes_by_set_end_at_a_scale_that_one_failure_does_not_set():
    axes = {"zero-shot": (70.0, 60.0, 90.0)} | {f"m {i}": (70.0 + i / 9, 61.0, 90.0) for i in range(30)}
    figure = changes_by_set(Results(table(axes | {"failed": (10.0, 9.0, 50.0)})))
    accuracy, auroc = figure.data
    assert accuracy.zmax == auroc.zmax == -accuracy.zmin < 5
    assert tuple(accuracy.z[-1]) == (-60.0, -51.0, -51.0, -51.0)
    assert accuracy.text[-1][0] == "\N{MINUS SIGN}60.0"
    assert list(figure.layout.xaxis.ticktext) == ["test", "sketch", "emoji", "mean", "flags"]
    assert changes_by_set(Results(table({"ftp": AXES["ftp"]}))) is None


@pytest.fixture(scope="module")
def whole() -> Results:
    return Results(Suite(("zero-shot", "ftp"), seeds=1, shifts=("filled", "sketch")).rows())


def numbers(shown: Table) -> dict[str, list[str]]:
    return {row[0].text: [cell.text for cell in row[1:]] for row in shown.rows}


def test_detectors_by_method_and_by_set(whole: Results):
    by_method = detectors.methods_table(whole, detectors.AUROC, "near")
    assert len(by_method.columns) == 1 + len(DETECTORS)
    expected = whole.get("ftp", "detection", "auroc", "near", "knn").mean
    assert numbers(by_method)["ftp"][DETECTORS.index("knn")] == f"{expected:.1f}"
    by_set = detectors.sets_table(whole, "ftp", detectors.FPR95)
    assert [c.title for c in by_set.columns[-3:]] == ["near", "far", "all sets"]
    assert len(by_set.rows) == len(DETECTORS)
    best = [row[1] for row in by_set.rows if row[1].tone == "best"]
    assert best[0].value == min(row[1].value for row in by_set.rows)


def test_the_mean_of_outlier_sets_is_taken_where_the_table_lacks_it():
    rows = Suite(("zero-shot",), seeds=1).rows()
    results = Results(rows[rows.role != "detection"])
    each = [results.get("zero-shot", "outlier", "auroc", s, "msp").mean for s in results.outliers]
    assert results.detection("zero-shot", "auroc", "msp").mean == pytest.approx(np.mean(each))
    assert detectors.groups(results) == ["all"]


def test_robustness_calibration_and_open_set_decisions(whole: Results):
    assert robustness.places(whole) == ["mean of shifts", "filled", "sketch", "test"]
    mean = robustness.robustness_table(whole, "mean of shifts")
    flips = [c.title for c in mean.columns].index("negative flips")
    each = [whole.get("ftp", "shift", "negative_flips", s).mean for s in whole.shifts]
    assert mean.rows[1][flips].value == pytest.approx(np.mean(each))
    assert robustness.places(Results(table())) == []
    kept = robustness.open_set_table(whole)
    assert kept is not None
    assert [c.group for c in kept.columns[1:7]] == ["test", "test", "filled", "filled", "sketch", "sketch"]
    assert robustness.open_set_table(Results(table())) is None
    errors = calibration.calibration_table(whole, "shift", "sketch")
    assert [c.title for c in errors.columns[1:]] == ["ECE", "NLL", "Brier"] * 2 + ["AURC"]
    scaled = whole.get("ftp", "shift", "nll", "sketch", "scaled").mean
    assert numbers(errors)["ftp"][4] == f"{scaled:.2f}"


def test_severity_curves_start_at_the_clean_test_set(whole: Results):
    figure = severity_curves(whole, IN_DISTRIBUTION, CORRUPTED)
    assert len([a for a in figure.layout.annotations if a.text]) == 16
    clean = whole.in_distribution("ftp").mean
    lines = [line for line in figure.data if line.name == "ftp"]
    assert len(lines) == 16
    assert {line.y[0] for line in lines} == {clean}
    at_three = [whole.get("ftp", "corruption", "accuracy", f"{c}/3").mean for c in CORRUPTIONS]
    assert lines[0].y[3] == pytest.approx(np.mean(at_three))
    assert severity_curves(Results(table()), IN_DISTRIBUTION, CORRUPTED) is None


@pytest.mark.parametrize("marked", ["a method", "a note", "nothing"])
def test_what_an_oracle_chose_is_marked_at_the_top(tmp_path: Path, marked: str):
    axes = {"zero-shot": AXES["zero-shot"], "ftp (oracle)" if marked == "a method" else "ftp": AXES["ftp"]}
    notes = ["selected by the oracle"] if marked == "a note" else ["nothing to say"]
    text = page(tmp_path, table(axes), notes=notes)
    assert ('class="banner"' in text) == (marked != "nothing")
    assert ("They are optimistic" in text.split("<nav")[0]) == (marked != "nothing")


def test_labels_never_overlap():
    rng = np.random.default_rng(0)
    points = [(float(x), float(y)) for x, y in rng.uniform((0, 0), (900, 400), (60, 2))]
    placed = place(points, [120.0] * 60, 16.0, (900.0, 400.0), [])
    boxes = [(x + p[0], y + p[1]) for (x, y), p in zip(points, placed, strict=True) if p]
    assert len(boxes) > 30
    for i, (x, y) in enumerate(boxes):
        assert all(abs(x - a) >= 119.99 or abs(y - b) >= 15.99 for a, b in boxes[:i])


def test_the_pareto_front():
    points = [(1.0, 5.0), (2.0, 4.0), (2.0, 3.0), (1.5, 3.5), (3.0, 1.0)]
    assert pareto_front(points) == [0, 1, 4]


@pytest.mark.parametrize("column", ["suite_hash", "encoder_hash"])
def test_mixed_tables_are_refused(tmp_path: Path, column: str):
    rows = table()
    rows.loc[0, column] = "another"
    with pytest.raises(ValueError, match=column):
        page(tmp_path, rows)


def test_empty_tables_and_unknown_thumbnails_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="at least one row"):
        page(tmp_path, table().iloc[:0])
    bad = Mistake(b"<svg/>", "test", "a.svg", "cat", "dog", 0.5)
    with pytest.raises(ValueError, match="PNG or JPEG"):
        page(tmp_path, table(), [MethodDetails("ftp", "", [], [bad], pd.DataFrame())])
