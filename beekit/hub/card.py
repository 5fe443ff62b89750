"""The model card of a run: every number in it is taken from `results.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard

from beekit.errors import HubError, RunError
from beekit.files import write_text
from beekit.hub.card_facts import Facts
from beekit.hub.metadata import card_metadata, card_title, encoder_name
from beekit.report.glossary import INTERVALS, metric_meanings, tested_against
from beekit.report.numbers import difference, p_value
from beekit.report.settings import settings_caption
from beekit.results import DatasetResults, dataset_results, main_metric
from beekit.run_folder import DATASETS, RunFolder
from beekit.split import said_of
from beekit.templates import template

# What a card needs to know about training and environment; a report works without it.
_SAID = {
    "training": (
        *("steps", "users_per_step", "items_per_step", "optimizer", "learning_rate"),
        *("scheduler", "seed"),
    ),
    "environment": ("beekit",),
}
_OPTIONAL = (
    *("text", "image", "max_seq_length", "fusion", "dataset_batches", "needs_beekit"),
    *("prompt", "pooling", "pooling_source", "image_pooling", "image_pooling_source"),
    *("truncate_dim", "dtypes"),
)


def write_card(run: str | Path) -> None:
    """Write `README.md` of a run folder from its `results.json`."""
    folder = RunFolder(Path(run))
    write_text(folder.card, render_card(folder.read_results()))


def render_card(
    results: Mapping[str, Any], facts: Facts | None = None, *, chart: str | None = None
) -> str:
    """The model card: Markdown with the YAML metadata of the Hub at its top.

    Args:
        results: the content of `results.json`.
        facts: what is not in the run. If it has a `repo`, the card describes the model in that
            repository, else the folder `model` beside the card.
        chart: path, relative to the card, of a picture of the table.

    Raises:
        RunError: if the results lack something that every card states.
    """
    facts = facts or Facts()
    lacking = [
        f"{section}.{key}"
        for section, keys in _SAID.items()
        for key in keys
        if section in results and key not in results[section]
    ]
    if lacking:
        raise RunError(
            f"results without {', '.join(lacking)}",
            expected="the keys that a finished training writes to results.json",
            remedy="Train again with this version of beekit, or restore results.json from a copy.",
        )
    training = results.get("training", {})
    if training:
        training = {**dict.fromkeys(_OPTIONAL), **training}
    metrics = list(results["rows"][0]["metrics"]) if results["rows"] else []
    datasets = dataset_results(results)
    reads = _reads(datasets)
    place = "RUN" if facts.repo else "."
    if len(datasets) > 1:
        place += f"/{DATASETS}/{datasets[0].name}"
    return template("hub", "card.md.j2").render(
        header=card_metadata(results, datasets, reads, facts).to_yaml(),
        title=card_title(results, facts),
        encoder=encoder_name(results, facts),
        facts=facts,
        results=results,
        training=training,
        reads=reads,
        templates=list(dict.fromkeys(one.text for one in datasets if one.text)),
        place=place,
        datasets=datasets,
        tests=_tests(results.get("comparisons") or []),
        metrics=metrics,
        main=main_metric(metrics),
        meanings=metric_meanings(metrics),
        said_of=said_of,
        chart=chart,
        cell=_cell,
        quoted=lambda text: json.dumps(text, ensure_ascii=False),
        settings_caption=settings_caption,
        intervals=INTERVALS,
        wider=any("ci95_items" in m for r in results["rows"] for m in r["metrics"].values()),
    )


def check_card(card: str) -> None:
    """Check that huggingface_hub can read the metadata of a card, as the Hub does.

    Raises:
        HubError: if it cannot.
    """
    try:
        if ModelCard(card).data.get("library_name") is None:
            raise ValueError("no library_name")
    except ValueError as error:
        raise HubError(
            f"a model card whose metadata cannot be read ({error})".replace("\n", " "),
            expected="YAML that huggingface_hub's ModelCard can read",
            remedy="Correct the texts in the card's YAML file.",
        ) from error


def _cell(metric: Mapping[str, Any]) -> str:
    """A cell of the table: a value with its intervals."""
    ends = [metric[key] for key in ("ci95", "ci95_items") if key in metric]
    return f"{metric['value']:.4f} ({'; '.join(f'{low:.4f}–{high:.4f}' for low, high in ends)})"


def _tests(comparisons: Sequence[Mapping[str, Any]]) -> str | None:
    """A sentence on the paired test of the main metric; None if there is no test."""
    main = main_metric(one["metric"] for one in comparisons)
    if main is None:
        return None
    one = next(one for one in comparisons if one["metric"] == main)
    corrected = f"{p_value(one['p_holm'])}, raw " if "p_holm" in one else ""
    return (
        f"{one['first']} minus {one['second']} in {main}: {difference(one['difference'])}, "
        f"p {corrected}{p_value(one.get('p_value'))} ({tested_against(comparisons).rstrip('.')})."
    )


def _reads(datasets: Sequence[DatasetResults]) -> str:
    """What the encoder reads of an item: "text", "picture", or both."""
    kinds = {"text": any(one.text for one in datasets), "picture": any(d.image for d in datasets)}
    return " and ".join(kind for kind, read in kinds.items() if read) or "text"
