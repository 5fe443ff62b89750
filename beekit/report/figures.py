"""The plots of a report, as SVG to put into a page.

Rows and bins are those of results.json. The `name` of a figure has to be unique on its page,
because it is the prefix of the ids inside the figure.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup, escape
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from beekit.report.numbers import is_finite, measure

# Okabe and Ito (2008): distinct for any colour vision. The markers are distinct without colour.
_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = "so^DvP"
_BEFORE, _AFTER = _COLOURS[:2]
# Inches; so small that letters stay readable when the figure shrinks to the width of a phone.
_WIDTH, _LOW, _HIGH = 4.2, 2.9, 3.2
# A line with more points than this has no markers, because they would overlap.
_MARKED = 40
_STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a model may have a $ in its name
    "font.size": 9.5,
    **dict.fromkeys(("axes.spines.top", "axes.spines.right"), False),
    **dict.fromkeys(("axes.grid", "axes.axisbelow"), True),
    **dict.fromkeys(("axes.labelcolor", "xtick.color", "ytick.color"), "#444444"),
    **{"axes.edgecolor": "#888888", "grid.color": "#e4e4e4"},
    **{"legend.handletextpad": 0.2, "legend.columnspacing": 1.2, "legend.borderaxespad": 0.0},
}


def curve_figure(
    curve: Sequence[Any], quantity: str, about: str, name: str, best_step: int | None = None
) -> Markup | None:
    """A quantity by training step; None if there is no finite value.

    Args:
        curve: [step, value] pairs; step 0 is the encoder before training.
        quantity: label of the vertical axis.
        about: description of the curve for readers who cannot see it.
        name: name of the figure.
        best_step: the step whose weights were kept; it is marked.
    """
    points = _finite(curve)
    if not points:
        return None
    marker = "o" if len(points) <= _MARKED else None
    before = [point for point in points if point[0] == 0]
    kept = [point for point in points if point[0] == best_step]
    (first, start), (last, end) = points[0], points[-1]
    with _axes(name) as axes:
        axes.plot(*_columns(points), color=_AFTER, marker=marker, markersize=3.5, linewidth=1.6)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        if before:
            axes.axhline(before[0][1], color=_BEFORE, linestyle=(0, (4, 2)), linewidth=1.2)
            axes.plot(*before[0], "s", color=_BEFORE, label="before training")
        if kept:
            axes.plot(*kept[0], "o", markersize=10, mfc="none", color="#222", label="best, kept")
        ends = f"{measure(start)} at step {first}, {measure(end)} at step {last}"
        return _svg(axes, name, ("training step", quantity), f"{about} by step: {ends}.")


def bins_figure(by: Mapping[str, Any], quantity: str, name: str) -> Markup | None:
    """A metric of each model by bins of a quantity, with intervals; None if there are no bins."""
    bins = by["bins"]
    models = list(dict.fromkeys(model for part in bins for model in part["models"]))
    if not models:
        return None
    with _axes(name, _HIGH) as axes:
        for place, model in enumerate(models):
            colour, marker = _COLOURS[place % len(_COLOURS)], _MARKERS[place % len(_MARKERS)]
            # Models are moved sideways, so that their intervals do not hide each other.
            shift = (place - (len(models) - 1) / 2) * min(0.2, 0.7 / len(models))
            measured = [(x + shift, p["models"].get(model, {})) for x, p in enumerate(bins)]
            for x, metric in measured:
                limits = metric.get("ci95") or [None]
                if all(is_finite(limit) for limit in limits):
                    axes.vlines(x, limits[0], limits[-1], color=colour, linewidth=1.6)
            points = _columns(_finite([(x, metric.get("value")) for x, metric in measured]))
            axes.plot(*points, marker, color=colour, markersize=5, label=model)
        axes.set_xticks(range(len(bins)), [span(part) for part in bins])
        if len(bins) > 5:
            axes.tick_params(axis="x", labelrotation=40)
            for label in axes.get_xticklabels():
                label.set(horizontalalignment="right", rotation_mode="anchor")
        axes.set_xlim(-0.6, len(bins) - 0.4)
        axes.set_ylim(bottom=0)
        about = f"{by['metric']} by {quantity}, for {', '.join(models)}."
        return _svg(axes, name, (quantity, by["metric"]), about)


def cost_figure(
    rows: Sequence[Mapping[str, Any]], metric: str, cost: str, label: str, name: str
) -> Markup | None:
    """A metric of each model against the cost of fitting it, with a name at each point.

    The key `cost` of the rows of a scenario is on the logarithmic horizontal axis. None if fewer
    than two rows have both.
    """
    measured = [row for row in rows if is_finite(row["metrics"].get(metric, {}).get("value"))]
    points = [
        (float(row[cost]), row["metrics"][metric]["value"], row["model"])
        for row in measured
        if is_finite(row.get(cost)) and row[cost] > 0
    ]
    if len(points) < 2:
        return None
    with _axes(name, _HIGH) as axes:
        axes.plot(*_columns([point[:2] for point in points]), "o", color=_AFTER, ms=4)
        for place, (x, y, model) in enumerate(sorted(points, key=lambda p: p[1])):
            # Names alternate between left and right, so that neighbours do not overlap.
            side, offset = ("right", (-5, 0)) if place % 2 else ("left", (5, 0))
            beside = {"xytext": offset, "textcoords": "offset points", "fontsize": 8}
            axes.annotate(model, (x, y), va="center", ha=side, **beside)
        axes.set_xscale("log")
        axes.margins(x=0.25)
        names = ", ".join(model for _, _, model in points)
        return _svg(axes, name, (label, metric), f"{metric} against {label}, for {names}.")


def repeats_figure(rows: Sequence[Mapping[str, Any]], metric: str, name: str) -> Markup:
    """A metric of each model of a scenario in each repeat, as dots, with a bar at their mean."""
    models = [row["model"] for row in rows]
    with _axes(name, 0.9 + 0.26 * len(rows), grid="x") as axes:
        for place, measured in enumerate(row["metrics"][metric] for row in rows):
            values = measured["values"]
            axes.plot(values, [place] * len(values), "o", color=_AFTER, ms=5, alpha=0.6)
            axes.plot(measured["value"], place, "|", color=_BEFORE, ms=13, mew=2)
        axes.set_yticks(range(len(rows)), models)
        axes.set_ylim(len(rows) - 0.4, -0.6)  # in the order of the table
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
        about = f"{metric} in each repeat, for {', '.join(models)}."
        return _svg(axes, name, (metric, ""), about)


def span(part: Mapping[str, Any]) -> str:
    """The range of a bin: `5–9`, or one number."""
    low, high = part["low"], part["high"]
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def _finite(curve: Sequence[Sequence[Any]]) -> list[tuple[float, float]]:
    return [(x, y) for x, y in curve if is_finite(x) and is_finite(y)]


def _columns(points: Sequence[tuple[float, float]]) -> np.ndarray:
    """(2, points): the horizontal places and the heights."""
    return np.reshape(points, (-1, 2)).T


@contextmanager
def _axes(name: str, height: float = _LOW, grid: str = "y") -> Iterator[Any]:
    """The axes of a figure in the style of the report; the salt makes its ids reproducible."""
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name, "axes.grid.axis": grid}):
        yield Figure(figsize=(_WIDTH, height), layout="constrained").subplots()


def _svg(axes: Any, name: str, labels: tuple[str, str], description: str) -> Markup:
    """The figure of these axes as SVG, with labels and with a legend of the named parts."""
    axes.set(xlabel=labels[0], ylabel=labels[1])
    named = axes.get_legend_handles_labels()
    if named[0]:
        axes.figure.legend(*named, loc="outside upper left", ncols=2, frameon=False)
    out = io.StringIO()
    without = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    axes.figure.savefig(out, format="svg", metadata=without)
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]  # without the XML declaration, which HTML does not allow
    # Ids have to be unique among all figures of a page.
    for before in ('id="', 'href="#', "url(#"):
        svg = svg.replace(before, f"{before}{name}-")
    return Markup(svg.replace("<svg", f'<svg role="img" aria-label="{escape(description)}"', 1))
