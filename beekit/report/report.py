"""Rendering the content of `results.json` as one HTML page that needs no other file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from beekit.errors import RunError
from beekit.files import write_text
from beekit.report import figures, numbers
from beekit.report.glossary import INTERVALS, metric_meanings, tested_against
from beekit.report.public_names import public_name, published
from beekit.report.repeats import repeats_part, summarise_repeats
from beekit.report.summary import summarise
from beekit.report.table import results_table
from beekit.results import (
    SPLIT_PARTS,
    is_repeated,
    main_metric,
    metric_names,
    predicts_ratings,
)
from beekit.run_files import read_json
from beekit.run_folder import RunFolder
from beekit.split import said_of
from beekit.templates import template

_FILTERS: dict[str, Callable[..., Any]] = {
    **{"measure": numbers.measure, "difference": numbers.difference, "count": numbers.count},
    **{"interval": numbers.interval, "p_value": numbers.p_value, "setting": numbers.setting},
    **{"duration": numbers.duration, "memory": numbers.memory, "span": figures.span},
}


def write_report(runs: Sequence[str | Path], path: str | Path) -> None:
    """Write the report of one run, or of several runs compared. If that fails, `path` stays as it
    was.

    Args:
        runs: run folders. In the report a run has the name of its folder, or its path if two
            folders have the same name. A run on several datasets counts as one run for each.
        path: the HTML file.

    Raises:
        RunError: if there are no runs, or if a folder has no results that this version can read.
    """
    folders = [folder for run in runs for folder in RunFolder(Path(run)).dataset_folders()]
    results = []
    for one in folders:
        pictures = read_json(one.thumbnails) if one.thumbnails.is_file() else {}
        results.append({**one.read_results(), "thumbnails": pictures})
    names = [folder.path.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        names = [folder.path.as_posix() for folder in folders]
    write_text(path, render_report(results, names))


def render_report(results: Sequence[Mapping[str, Any]], names: Sequence[str] | None = None) -> str:
    """The report as HTML. For several runs it has a table of all rows first, then a part for each.

    The page contains its style and figures and refers to no other file. Equal results give equal
    bytes. Parts for which a run has no results are left out.

    Args:
        results: the content of `results.json` of each run; it may also have the key `thumbnails`
            with data URIs of pictures by item id.
        names: names of the runs; None to number them.

    Raises:
        RunError: if there are no results.
    """
    if not results:
        raise RunError(
            "no runs to report", expected="at least one", remedy="Name one or more run folders."
        )
    if names is None:
        names = [f"run {number}" for number in range(1, len(results) + 1)] if results[1:] else [""]
    return template("report", "report.html.j2", _FILTERS).render(
        runs=[_run(*numbered) for numbered in zip(results, names, range(len(names)), strict=True)],
        table=results_table(results, names),
        intervals=INTERVALS,
        meanings=metric_meanings(metric_names(row for r in results for row in r["rows"])),
    )


def _run(result: Mapping[str, Any], name: str, number: int) -> dict[str, Any]:
    """The content of the template for one run; the template leaves out what is None or empty."""
    key, split, repeated = f"run-{number + 1}", result["split"], is_repeated(result)
    training = dict(result.get("training") or {})
    loss, validation = (
        training.pop(f"{what}_curve", None) or [] for what in ("loss", "validation")
    )
    encoders = {k: training[k] for k in ("encoder", "image_encoder") if training.get(k)}
    # Results of earlier versions do not say which encoders are names on the Hub.
    known = training.get("base_models", published(encoders.values()))
    encoders = {k: public_name(name, known) for k, name in encoders.items()}
    training |= encoders
    encoder, dataset = " + ".join(encoders.values()), result["dataset"]["name"]
    history, support = (result.get(by) or {"bins": []} for by in ("by_history", "by_support"))
    metric, best_step = training.get("metric", "validation metric"), training.get("best_step")
    neighbours, comparisons = result.get("neighbours") or [], result.get("comparisons") or []
    return {
        "key": key,
        "name": name,
        "title": f"{encoder} → {dataset}" if encoder else f"Models evaluated on {dataset}",
        "summary": summarise_repeats(result) if repeated else summarise(result),
        "repeats": repeats_part(result, key) if repeated else None,
        "note": result.get("note"),
        "dataset": result["dataset"],
        "split": split,
        "split_meaning": said_of(split, "meaning"),
        "ratings": predicts_ratings(result),
        "parts": {part: split[part] for part in SPLIT_PARTS if split.get(part)},
        "table": results_table([result], [name]),
        "comparisons": [] if repeated else _by_pair(comparisons),
        "tested": tested_against(comparisons) if comparisons and not repeated else None,
        "training": training,
        "loss": figures.curve_figure(loss, "loss", "Training loss", f"{key}-loss"),
        "validation": figures.curve_figure(
            validation, metric, f"{metric} on validation users", f"{key}-validation", best_step
        ),
        "history": history,
        "history_models": list(dict.fromkeys(m for bin in history["bins"] for m in bin["models"])),
        "history_figure": figures.bins_figure(
            history, "known interactions of a user", f"{key}-history"
        ),
        "support": support,
        "support_figure": figures.bins_figure(support, "users of an item", f"{key}-support"),
        "costs": _cost_figures(result, key),
        "left_out": result.get("left_out") or [],
        "notes": result.get("notes") or [],
        "neighbours": neighbours,
        "thumbnails": result.get("thumbnails") or {},
        "together": _mean_together(neighbours),
        "settings": {
            "Environment": result["environment"],
            "Training": {name: value for name, value in training.items() if value is not None},
            "Split": {**(split.get("settings") or {}), "hash": split["hash"]},
            "Dataset": {"fingerprint": result["dataset"].get("fingerprint", "")},
        },
    }


def _cost_figures(result: Mapping[str, Any], key: str) -> list[Markup]:
    """Plots of the main metric against time and memory of fitting, for the first scenario."""
    metric = main_metric(metric_names(result["rows"]))
    if metric is None:
        return []
    scenario = result["rows"][0].get("scenario")
    rows = [row for row in result["rows"] if row.get("scenario") == scenario]
    drawn = (
        figures.cost_figure(rows, metric, "fit_seconds", "seconds to fit", f"{key}-seconds"),
        figures.cost_figure(rows, metric, "fit_memory_mb", "memory to fit, MB", f"{key}-memory"),
    )
    return [figure for figure in drawn if figure is not None]


def _by_pair(comparisons: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, list[Any]]]:
    pairs: dict[tuple[str, str], list[Any]] = {}
    for paired in comparisons:
        pairs.setdefault((paired["first"], paired["second"]), []).append(paired)
    return [(*pair, members) for pair, members in pairs.items()]


def _mean_together(neighbours: Sequence[Mapping[str, Any]]) -> dict[str, float] | None:
    counts = {
        side: [near["together"] for item in neighbours for near in item.get(side) or ()]
        for side in ("before", "after")
    }
    return {s: sum(c) / len(c) for s, c in counts.items()} if all(counts.values()) else None
