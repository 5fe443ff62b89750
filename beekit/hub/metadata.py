"""The YAML metadata of a model card, which the Hub indexes and shows beside the text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from beekit.hub.card_facts import Facts
from beekit.report.public_names import public_name, slug
from beekit.report.settings import NOT_STATED
from beekit.results import FINE_TUNED, DatasetResults, base_models, part_of, rows_of
from beekit.split import said_of

_TAGS = ["sentence-transformers", "recommender-systems", "cold-start", "beeformer", "beekit"]
# The Hub's task name, by what the encoder reads.
_PIPELINES = {"text": "sentence-similarity", "picture": "image-feature-extraction"}
# Decimals of a metric in the metadata; the full number is in results.json.
_DIGITS = 6


def card_metadata(
    results: Mapping[str, Any], datasets: Sequence[DatasetResults], reads: str, facts: Facts
) -> ModelCardData:
    """The metadata of a run's card; `reads` is "text", "picture" or "text and picture"."""
    base = _base_models(results, facts)
    data = ModelCardData(
        base_model=base[0] if len(base) == 1 else base or None,
        datasets=list(dict.fromkeys(facts.datasets.values())) or None,
        language=facts.language or None,
        library_name="sentence-transformers",
        license=facts.license,
        license_name=facts.license_name,
        license_link=facts.license_link,
        pipeline_tag=_PIPELINES.get(reads, "feature-extraction"),
        tags=[*_TAGS, *facts.tags],
    )
    if base:
        data["base_model_relation"] = "finetune"
    several = len(datasets) > 1
    if evaluations := [each for one in datasets for each in _evaluations(one, facts, several)]:
        data.eval_results = evaluations
        data.model_name = card_title(results, facts)
    return data


def card_title(results: Mapping[str, Any], facts: Facts) -> str:
    """The card's heading: `facts.title`, or the encoder and the dataset it was fine-tuned on."""
    if facts.title:
        return facts.title
    encoder = encoder_name(results, facts)
    if not _base_models(results, facts):  # a folder's name
        encoder = encoder[:1].upper() + encoder[1:]
    return f"{encoder} fine-tuned on {results['dataset']['name']} interactions"


def encoder_name(results: Mapping[str, Any], facts: Facts) -> str:
    """The public name of the encoder that was fine-tuned."""
    base = _base_models(results, facts)
    if base:
        return " and ".join(base)
    given = results.get("training", {}).get("encoder")
    return public_name(given, []).removeprefix("open_clip:") if given else "An encoder"


def _base_models(results: Mapping[str, Any], facts: Facts) -> list[str]:
    return [facts.base_model] if facts.base_model else base_models(results)


def _evaluations(measured: DatasetResults, facts: Facts, several: bool) -> list[EvalResult]:
    """The fine-tuned encoder's metrics on one dataset, each with its intervals.

    The Hub treats results with the same dataset, configuration and split as one entry. So for a run
    on several datasets the configuration names the dataset too.
    """
    dataset, split, name = measured.dataset, measured.split, slug(measured.name)
    return [
        EvalResult(
            task_type="recommendation",
            task_name=said_of(split, "task") or "recommendation",
            dataset_type=facts.datasets.get(measured.name, name),
            dataset_name=measured.name,
            dataset_config=f"{name}-{split['kind']}" if several else split["kind"],
            dataset_split=part_of(row["scenario"]),
            dataset_args={
                "split_hash": split["hash"],
                "fingerprint": dataset["fingerprint"],
                "candidates": split[part_of(row["scenario"])]["candidates"],
                "users": row["users"],
                "settings_chosen": row.get("settings_chosen", NOT_STATED),
            },
            metric_type=kind,
            metric_name=kind.replace("_", " "),
            metric_value=round(metric["value"], _DIGITS),
            metric_args={
                key: [round(limit, _DIGITS) for limit in metric[key]]
                for key in ("ci95", "ci95_items")
                if key in metric
            },
        )
        for row in rows_of(measured.rows, FINE_TUNED)
        for kind, metric in row["metrics"].items()
    ]
