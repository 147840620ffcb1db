"""The sentences that sum up a comparison."""

import html
import re

import pandas as pd
import pytest

from anchorline.report.numbers import Results
from anchorline.report.sentences import sentences
from tests.helpers.small_report import AXES, DIFFERENCES, table


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


def test_the_summary_tells_what_is_larger_than_noise():
    told = sentences(Results(table()), DIFFERENCES)
    assert html.unescape(re.sub("</?b>", "", told[-1])) == (
        "Of the differences to the untouched encoder, these are larger than noise: in distribution 2 gains "
        "(fine-tune, ftp); under shift 1 loss (fine-tune)."
    )
    assert len(told) == 3
