"""What all figures share: colours, layout, the data that their CSV holds.

Plotly reads a subset of HTML in every text, so names pass through `plot_text` first.
"""

import html

import pandas as pd
import plotly.graph_objects as go

ACCENT, OTHER, INK, FAINT, RULE = "#0072b2", "#d55e00", "#22262b", "#8a929a", "#e6e8ea"
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
# Lines that are told apart: a colour, and a style for each round of colours.
COLOURS = (ACCENT, OTHER, "#009e73", "#cc79a7", INK)


def plot_text(text: str, limit: int = 28) -> str:
    """A name as plotly text: shortened, then escaped."""
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    return html.escape(short, quote=False)


def plain_layout(width: int, height: int) -> dict[str, object]:
    return {
        "template": None,
        "width": width,
        "height": height,
        "font": {"family": FONT, "size": 13, "color": INK},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "showlegend": False,
        "dragmode": False,
        "hoverlabel": {"bgcolor": "#ffffff", "bordercolor": FAINT, "font": {"color": INK}},
    }


def axis_title(text: str) -> dict[str, object]:
    return {"text": text, "font": {"size": 13}}


def plain_axis(**more: object) -> dict[str, object]:
    """An axis that stays as it is drawn."""
    quiet = {"zeroline": False, "fixedrange": True, "linecolor": FAINT, "showline": True}
    return quiet | {"ticks": "outside", "tickcolor": FAINT, "gridcolor": RULE} | more


def with_data(figure: go.Figure, table: pd.DataFrame) -> go.Figure:
    """The figure, with what its CSV button writes: real names, values in full."""
    plain = table.astype(object).where(table.notna(), None)
    figure.update_layout(meta={"columns": [str(c) for c in table.columns], "rows": plain.to_numpy().tolist()})
    return figure
