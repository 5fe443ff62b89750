"""The quickstart's plot of the embeddings of cold items before and after fine-tuning."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from beekit.files import write_text

# Okabe and Ito (2008): distinct for any colour vision.
_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_SHAPES = ("o", "s", "^", "D", "v", "P", "X", "*")


def draw_before_after(
    before: np.ndarray,
    after: np.ndarray,
    series: np.ndarray,
    kinds: np.ndarray,
    path: str | Path,
    *,
    alike: str = "what they are called",
) -> None:
    """Draw items of a few series in two dimensions, before and after side by side, as SVG.

    Each plot shows the two leading principal components of its embeddings. Colours are printer
    series (items used together), shapes are kinds of product (items with similar texts and looks).

    Args:
        before, after: (items, dims) embeddings.
        series, kinds: (items,) series and kind of each item; the first six series are shown.
        path: the SVG file to write.
        alike: what makes items similar before fine-tuning, for the title.
    """
    shown = np.flatnonzero(np.isin(series, np.unique(series)[: len(_COLOURS)]))
    settings = {"svg.fonttype": "none", "svg.hashsalt": "beekit", "font.size": 9}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(7.2, 3.6), layout="constrained", facecolor="white")
        for axes, title, embeddings in zip(
            figure.subplots(1, 2),
            (f"before: by {alike}", "after: by what they are used with"),
            (before, after),
            strict=True,
        ):
            x, y = _principal_components(embeddings[shown]).T
            for number, one in enumerate(np.unique(series[shown])):
                for shape, kind in zip(_SHAPES, np.unique(kinds), strict=False):
                    points = (series[shown] == one) & (kinds[shown] == kind)
                    axes.scatter(
                        x[points], y[points], s=22, c=_COLOURS[number], marker=shape, alpha=0.8
                    )
            axes.set_title(title, fontsize=10)
            axes.set_xticks([])
            axes.set_yticks([])
        figure.supxlabel("colour: printer series · shape: kind of product", fontsize=9)
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    write_text(path, drawn.getvalue())


def _principal_components(embeddings: np.ndarray) -> np.ndarray:
    """(items, 2) coordinates along the two directions of largest variance."""
    centred = embeddings - embeddings.mean(axis=0)
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    coordinates: np.ndarray = left[:, :2] * scale[:2]
    return coordinates
