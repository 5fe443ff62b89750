"""A picture of the table of a model card: the main metric of each model with its interval."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from beekit.report.numbers import widest
from beekit.results import FINE_TUNED, main_metric

_GREY, _BLUE = "#777777", "#0072B2"
# Inches for each row, and dots per inch; sharp on screens of high resolution.
_ROW, _DPI = 0.34, 160


def results_chart(results: Mapping[str, Any]) -> bytes | None:
    """A PNG of the main metric with a dot and an interval for each model and dataset. Equal results
    give equal bytes. None if nothing was measured."""
    rows = results["rows"]
    metric = main_metric(rows[0]["metrics"]) if rows else None
    if metric is None:
        return None
    several = len({row["scenario"] for row in rows}) > 1
    labels = [
        f"{row['model']}, {row['scenario'].partition('/')[0]}" if several else row["model"]
        for row in rows
    ]
    with matplotlib.rc_context({"font.size": 10, "text.parse_math": False}):
        figure = Figure(figsize=(6.4, 0.9 + _ROW * len(rows)), layout="constrained")
        axes = figure.subplots()
        for place, row in enumerate(rows):
            measured = row["metrics"][metric]
            colour = _BLUE if row["model"] == FINE_TUNED else _GREY
            limits, over = widest(measured)
            axes.hlines(place, *limits, color=colour, linewidth=2.5)
            axes.plot(measured["value"], place, "o", color=colour, markersize=6)
            beside: dict[str, Any] = {
                "xytext": (7, 0),
                "textcoords": "offset points",
                "va": "center",
            }
            text, end = f"{measured['value']:.3f}", (limits[1], place)
            axes.annotate(text, end, color=colour, **beside)
        axes.set_yticks(range(len(rows)), labels)
        axes.invert_yaxis()
        axes.set_xlim(left=0)
        axes.margins(x=0.12)
        axes.set_xlabel(f"{metric}, 95% interval{over}")
        axes.grid(axis="x", color="#e4e4e4")
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=_DPI, metadata={"Software": None})
    return out.getvalue()
