"""The plots of a report, as SVG to put into a page."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from markupsafe import Markup, escape
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from beekit.report.numbers import is_finite, measure

# Okabe and Ito (2008): told apart with any colour vision; the shapes do it without colour.
_STYLES = (
    ("#D55E00", "s"),
    ("#0072B2", "o"),
    ("#009E73", "^"),
    ("#CC79A7", "D"),
    ("#E69F00", "v"),
    ("#56B4E9", "P"),
)
_BEFORE, _AFTER = _STYLES[0][0], _STYLES[1][0]
# Inches. So small that letters keep a readable size when the figure shrinks to a phone's width.
_SIZE = (4.2, 2.9)
# More points than this and their marks run into one another.
_MARKED = 40


def curve_figure(
    curve: Sequence[Sequence[Any]],
    quantity: str,
    about: str,
    name: str,
    best_step: int | None = None,
) -> Markup | None:
    """A quantity by training step, the step whose weights were kept marked; None where there is no
    finite value.

    Args:
        curve: [step, value] pairs; step 0 is the encoder before training.
        quantity: on the vertical axis.
        about: what the curve is, for those who cannot see it.
        name: unique on the page; prefixes the ids inside.
        best_step: the step kept for its value, if that is how weights were chosen.
    """
    points = _finite(curve)
    if not points:
        return None
    with matplotlib.rc_context(_settings(name)):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.subplots()
        _line(axes, points)
        before = [point for point in points if point[0] == 0]
        if before:
            axes.axhline(before[0][1], color=_BEFORE, linestyle=(0, (4, 2)), linewidth=1.2)
            axes.plot(*before[0], "s", color=_BEFORE, label="before training")
        kept = [point for point in points if point[0] == best_step]
        if kept:
            axes.plot(*kept[0], "o", markersize=10, mfc="none", color="#222", label="best, kept")
        if before or kept:
            _legend(figure, axes)
        axes.set_xlabel("training step")
        axes.set_ylabel(quantity)
        return _svg(figure, name, f"{about} by step: {_ends(points)}.")


def bins_figure(by: Mapping[str, Any], quantity: str, name: str) -> Markup | None:
    """A metric of each model by ranges of a quantity, with intervals; None without bins.

    Args:
        by: "metric" and "bins", as in results.json.
        quantity: what the ranges are of, such as "known interactions of a user".
        name: unique on the page; prefixes the ids inside.
    """
    bins = by["bins"]
    models = list(dict.fromkeys(model for part in bins for model in part["models"]))
    if not models:
        return None
    with matplotlib.rc_context(_settings(name)):
        figure = Figure(figsize=(_SIZE[0], 3.2), layout="constrained")
        axes = figure.subplots()
        for place, model in enumerate(models):
            colour, marker = _STYLES[place % len(_STYLES)]
            # Side by side, so that intervals of equal length do not hide each other.
            shift = (place - (len(models) - 1) / 2) * min(0.2, 0.7 / len(models))
            for x, part in enumerate(bins):
                limits = part["models"].get(model, {}).get("ci95") or [None]
                if all(is_finite(limit) for limit in limits):
                    axes.vlines(x + shift, limits[0], limits[-1], color=colour, linewidth=1.6)
            values = [
                (x + shift, p["models"].get(model, {}).get("value")) for x, p in enumerate(bins)
            ]
            points = _finite(values)
            axes.plot(
                [x for x, _ in points],
                [y for _, y in points],
                marker,
                color=colour,
                markersize=5,
                label=model,
            )
        axes.set_xticks(range(len(bins)), [span(part) for part in bins])
        if len(bins) > 5:
            axes.tick_params(axis="x", labelrotation=40)
            for label in axes.get_xticklabels():
                label.set(horizontalalignment="right", rotation_mode="anchor")
        axes.set_xlim(-0.6, len(bins) - 0.4)
        axes.set_ylim(bottom=0)
        axes.set_xlabel(quantity)
        axes.set_ylabel(by["metric"])
        _legend(figure, axes)
        return _svg(figure, name, f"{by['metric']} by {quantity}, for {', '.join(models)}.")


def cost_figure(
    rows: Sequence[Mapping[str, Any]], metric: str, cost: str, label: str, name: str
) -> Markup | None:
    """A metric of each model against what fitting it cost, each point named; None without costs.

    Args:
        rows: of one scenario, as in results.json.
        metric: on the vertical axis.
        cost: key of the rows on the horizontal axis, which is logarithmic.
        label: of that axis.
        name: unique on the page; prefixes the ids inside.
    """
    points = [
        (float(row[cost]), row["metrics"][metric]["value"], row["model"])
        for row in rows
        if is_finite(row.get(cost)) and row[cost] > 0 and metric in row["metrics"]
    ]
    points = [point for point in points if is_finite(point[1])]
    if len(points) < 2:
        return None
    with matplotlib.rc_context(_settings(name)):
        figure = Figure(figsize=(_SIZE[0], 3.2), layout="constrained")
        axes = figure.subplots()
        axes.plot([x for x, _, _ in points], [y for _, y, _ in points], "o", color=_AFTER, ms=4)
        for place, (x, y, model) in enumerate(sorted(points, key=lambda p: p[1])):
            # Neighbours in height would write over each other on one side.
            left = place % 2 == 1
            axes.annotate(
                model,
                (x, y),
                xytext=(-5 if left else 5, 0),
                textcoords="offset points",
                fontsize=8,
                va="center",
                ha="right" if left else "left",
            )
        axes.set_xscale("log")
        axes.margins(x=0.25)
        axes.set_xlabel(label)
        axes.set_ylabel(metric)
        names = ", ".join(model for _, _, model in points)
        return _svg(figure, name, f"{metric} against {label}, for {names}.")


def repeats_figure(rows: Sequence[Mapping[str, Any]], metric: str, name: str) -> Markup:
    """A metric of each model in each repeat, as dots, with a bar at their mean.

    Args:
        rows: of one scenario, as in results.json of a job with repeats.
        metric: on the horizontal axis.
        name: unique on the page; prefixes the ids inside.
    """
    with matplotlib.rc_context({**_settings(name), "axes.grid.axis": "x"}):
        height = 0.9 + 0.26 * len(rows)
        figure = Figure(figsize=(_SIZE[0], height), layout="constrained")
        axes = figure.subplots()
        for place, row in enumerate(rows):
            measured = row["metrics"][metric]
            values = measured["values"]
            axes.plot(values, [place] * len(values), "o", color=_AFTER, ms=5, alpha=0.6)
            axes.plot(measured["value"], place, "|", color=_BEFORE, ms=13, mew=2)
        axes.set_yticks(range(len(rows)), [row["model"] for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)  # in the order of the table
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
        axes.set_xlabel(metric)
        names = ", ".join(row["model"] for row in rows)
        return _svg(figure, name, f"{metric} in each repeat, for {names}.")


def span(part: Mapping[str, Any]) -> str:
    """The range of a bin: `5–9`, or one number."""
    low, high = part["low"], part["high"]
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def _line(axes: Any, points: Sequence[tuple[float, float]]) -> None:
    marker = "o" if len(points) <= _MARKED else None
    axes.plot(
        [x for x, _ in points],
        [y for _, y in points],
        color=_AFTER,
        marker=marker,
        markersize=3.5,
        linewidth=1.6,
    )
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))


def _legend(figure: Any, axes: Any) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=2, frameon=False)


def _finite(curve: Sequence[Sequence[Any]]) -> list[tuple[float, float]]:
    return [(x, y) for x, y in curve if is_finite(x) and is_finite(y)]


def _ends(points: Sequence[tuple[float, float]]) -> str:
    (first, start), (last, end) = points[0], points[-1]
    return f"{measure(start)} at step {first}, {measure(end)} at step {last}"


def _settings(name: str) -> dict[str, Any]:
    grey = "#444444"
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": name,  # ids are random otherwise
        "text.parse_math": False,  # a model may have a $ in its name
        "font.size": 9.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": "#888888",
        "axes.labelcolor": grey,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.grid.axis": "y",
        "grid.color": "#e4e4e4",
        "xtick.color": grey,
        "ytick.color": grey,
        "legend.handletextpad": 0.2,
        "legend.columnspacing": 1.2,
        "legend.borderaxespad": 0.0,
    }


def _svg(figure: Any, name: str, description: str) -> Markup:
    out = io.StringIO()
    without = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(out, format="svg", metadata=without)
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]  # an XML declaration has no place inside HTML
    # Figures of a page share one space of ids.
    for before in ('id="', 'href="#', "url(#"):
        svg = svg.replace(before, f"{before}{name}-")
    labelled = f'<svg role="img" aria-label="{escape(description)}"'
    return Markup(svg.replace("<svg", labelled, 1))
