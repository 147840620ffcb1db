"""Heat maps: differences of methods, and changes set by set."""

from anchorline.report.figures.heat import changes_by_set, matrices
from anchorline.report.numbers import Results
from tests.helpers.small_report import AXES, DIFFERENCES, table


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
