"""The model card of a run: every number in it is taken from `results.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard
from jinja2 import Environment, StrictUndefined

from beekit.errors import HubError, RunError
from beekit.files import write_text
from beekit.hub.facts import Facts
from beekit.hub.metadata import card_metadata, card_title, encoder_name
from beekit.report.meaning import (
    INTERVALS,
    main_metric,
    metric_meanings,
    tested_against,
)
from beekit.report.numbers import difference, p_value
from beekit.report.settings import settings_caption
from beekit.run_files import read_results
from beekit.split import said_of

# What a card says of a training, and of where it was done; a report does without.
_SAID = {
    "training": (
        *("steps", "users_per_step", "items_per_step", "optimizer", "learning_rate"),
        *("scheduler", "seed"),
    ),
    "environment": ("beekit",),
}


def write_card(run: str | Path) -> None:
    """Write `README.md` of a run folder from its `results.json`.

    Raises:
        RunError: if the folder has no results, if they are broken, or if `render_card` refuses
            them.
    """
    run = Path(run)
    write_text(run / "README.md", render_card(read_results(run)))


def render_card(
    results: Mapping[str, Any], facts: Facts | None = None, *, chart: str | None = None
) -> str:
    """Markdown with the Hub's YAML head.

    Args:
        results: the content of `results.json`.
        facts: what the run does not know; with a `repo` the card speaks of the model there,
            without of the folder `model` beside it.
        chart: path, from the card, of a picture of the table.

    Raises:
        RunError: if the results lack something that a card says of every training.
    """
    _require_said(results)
    facts = facts or Facts()
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    template = environment.from_string(files("beekit.hub").joinpath("card.md.j2").read_text())
    training = results.get("training", {})
    if training:
        named = ("text", "image", "max_seq_length", "fusion", "dataset_batches", "needs_beekit")
        training = {**dict.fromkeys(named), **training}
    metrics = list(results["rows"][0]["metrics"]) if results["rows"] else []
    parts = _parts(results)
    reads = _reads(training, parts)
    texts = [part["dataset"].get("text") for part in parts] + [training.get("text")]
    place = "RUN" if facts.repo else "."
    if len(parts) > 1:
        place += f"/datasets/{parts[0]['dataset']['name']}"
    return template.render(
        header=card_metadata(results, parts, reads, facts).to_yaml(),
        title=card_title(results, facts),
        encoder=encoder_name(results, facts),
        facts=facts,
        results=results,
        training=training,
        reads=reads,
        templates=list(dict.fromkeys(filter(None, texts))),
        place=place,
        parts=parts,
        metrics=metrics,
        main=main_metric(metrics),
        meanings=metric_meanings(metrics),
        said_of=said_of,
        chart=chart,
        cell=_cell,
        settings_caption=settings_caption,
        intervals=INTERVALS,
        wider=any("ci95_items" in m for r in results["rows"] for m in r["metrics"].values()),
    )


def check_card(card: str) -> None:
    """Have the hub library read a card back, as the Hub will.

    Raises:
        HubError: if the library cannot read the metadata, or finds no `library_name` in them.
    """
    try:
        metadata = ModelCard(card).data.get("library_name")
    except ValueError as error:
        raise HubError(
            f"a model card whose metadata cannot be read ({error})".replace("\n", " "),
            expected="YAML that huggingface_hub's ModelCard takes",
            remedy="Correct the texts of the card's YAML file.",
        ) from error
    if metadata is None:
        raise HubError(
            "a model card without metadata",
            expected="a YAML head",
            remedy="Make the card again with `beekit report RUN`.",
        )


def _require_said(results: Mapping[str, Any]) -> None:
    """Refuse results whose sections lack what a card says of them."""
    lacking = [
        f"{section}.{key}"
        for section, keys in _SAID.items()
        if section in results
        for key in keys
        if key not in results[section]
    ]
    if lacking:
        raise RunError(
            f"results without {', '.join(lacking)}",
            expected="what a finished training writes to results.json",
            remedy="Train again with this version of beekit, or restore the file from a copy.",
        )


def _parts(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Dataset, split and rows of each dataset the run was trained on."""
    if "datasets" not in results:
        tests = _tests(results.get("comparisons") or [])
        return [{**{name: results[name] for name in ("dataset", "split", "rows")}, "tests": tests}]
    return [
        {
            "dataset": dataset,
            "split": dataset["split"],
            "tests": None,  # those of each dataset are in its folder
            "rows": [r for r in results["rows"] if r["scenario"].startswith(f"{dataset['name']}/")],
        }
        for dataset in results["datasets"]
    ]


def _cell(metric: Mapping[str, Any]) -> str:
    """A value with its intervals."""
    ends = [metric[key] for key in ("ci95", "ci95_items") if key in metric]
    return f"{metric['value']:.4f} ({'; '.join(f'{low:.4f}–{high:.4f}' for low, high in ends)})"


def _tests(comparisons: Sequence[Mapping[str, Any]]) -> str | None:
    """The paired test of the main metric, in a sentence; None without any."""
    main = main_metric(one["metric"] for one in comparisons)
    one = next((one for one in comparisons if one["metric"] == main), None)
    if one is None:
        return None
    corrected = f"{p_value(one['p_holm'])}, raw " if "p_holm" in one else ""
    return (
        f"{one['first']} less {one['second']} in {main}: {difference(one['difference'])}, "
        f"p {corrected}{p_value(one.get('p_value'))} ({tested_against(comparisons).rstrip('.')})."
    )


def _reads(training: Mapping[str, Any], parts: list[dict[str, Any]]) -> str:
    """What the encoder reads of an item: "text", "picture", or both."""
    named = [training, *(part["dataset"] for part in parts)]
    kinds = {"text": "text", "image": "picture"}
    read = [word for key, word in kinds.items() if any(one.get(key) for one in named)]
    return " and ".join(read) or "text"
