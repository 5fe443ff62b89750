"""Questions about the content of `results.json`: its datasets, models, metrics and split parts.

Reports, cards, the Hub and the commands call these functions, so that each fact is decided once.
Results are the mapping in the JSON file; `beekit.results_schema` reads it and defines its schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

Results = Mapping[str, Any]
Row = Mapping[str, Any]

SCHEMA = 1
# The names of the rows of a training: the encoder after and before training, and the baselines.
FINE_TUNED, PRETRAINED = "fine-tuned", "pretrained"
RANDOM, POPULARITY = BASELINES = "random", "popularity"
DEFAULT_METRIC = "calibrated_recall@20"
"""The metric that selects checkpoints and that summaries state, unless another is configured."""
# What a comparison may be of.
RANKING, RATING = "ranking", "rating"
# The metrics of predicted ratings.
ERRORS = ("rmse", "mae")
# The held-out parts of a split; "overall" is test and warm together.
SPLIT_PARTS = ("validation", "test", "warm", "overall")


@dataclass(frozen=True)
class DatasetResults:
    """The results on one dataset.

    Attributes:
        dataset: its name, counts and fingerprint.
        split: the description of its split.
        rows: its rows.
        text: the template of its texts, or None.
        image: the column of its pictures, or None.
    """

    dataset: Mapping[str, Any]
    split: Mapping[str, Any]
    rows: Sequence[Row]
    text: str | None
    image: str | None

    @property
    def name(self) -> str:
        return str(self.dataset["name"])


def compose_results(**sections: Any) -> dict[str, Any]:
    """The content of `results.json` from its sections; sections that are None are left out."""
    return {
        "schema": SCHEMA,
        **{key: value for key, value in sections.items() if value is not None},
    }


def dataset_results(results: Results) -> list[DatasetResults]:
    """The results on each dataset of a run, in the order of its configuration."""

    def of(dataset: Mapping[str, Any], split: Any, rows: Any, read: Any) -> DatasetResults:
        return DatasetResults(dataset, split, rows, read.get("text"), read.get("image"))

    rows = results["rows"]
    if not is_joint(results):
        return [of(results["dataset"], results["split"], rows, results.get("training", {}))]
    return [
        of(one, one["split"], [r for r in rows if r["scenario"].startswith(f"{one['name']}/")], one)
        for one in results["datasets"]
    ]


def is_joint(results: Results) -> bool:
    """Whether the results are of a training on several datasets together."""
    return "datasets" in results


def is_repeated(results: Results) -> bool:
    """Whether the results are means over several repeats."""
    return "repeats" in results


def is_training(results: Results) -> bool:
    """Whether the results are of a training, and not of a comparison."""
    return "training" in results


def model_files(results: Results) -> Mapping[str, str] | None:
    """The SHA-256 of each file of the trained model; None if the results do not hold them."""
    noted: Mapping[str, str] | None = results.get("training", {}).get("model_files")
    return noted


def base_models(results: Results) -> list[str]:
    """The encoders that training started from, as far as they are names on the Hub."""
    return list(results.get("training", {}).get("base_models", []))


def rows_of(rows: Iterable[Row], model: str) -> list[Row]:
    """The rows of one model, one for each scenario."""
    return [row for row in rows if row["model"] == model]


def rows_by_scenario(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The rows of each scenario, which may be compared, in order of appearance."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["scenario"], []).append(row)
    return groups


def part_of(scenario: str) -> str:
    """The part of the split in a scenario: `test` in `ml1m/cold_start/test`."""
    return scenario.rpartition("/")[2]


def metric_names(rows: Iterable[Row]) -> list[str]:
    """The names of the metrics in these rows, in order of appearance."""
    return list(dict.fromkeys(name for row in rows for name in row["metrics"]))


def main_metric(names: Iterable[str]) -> str | None:
    """The metric that a summary states: the default one, or the first average over users."""
    per_user = [name for name in names if not name.startswith("coverage")]
    return DEFAULT_METRIC if DEFAULT_METRIC in per_user else next(iter(per_user), None)


def lower_is_better(metric: str) -> bool:
    """Whether a metric is an error, of which less is better."""
    return metric in ERRORS


def is_better(metric: str, value: float, than: float) -> bool:
    """Whether a value of a metric is better than another one."""
    return value < than if lower_is_better(metric) else value > than


def best_first(values: Mapping[str, float], metric: str) -> list[str]:
    """Names by their value of a metric, the best first; equal ones in the order given."""
    sign = 1 if lower_is_better(metric) else -1
    return sorted(values, key=lambda name: sign * values[name])


def word_for_best(metric: str) -> str:
    """How the best value of a metric is called."""
    return "lowest" if lower_is_better(metric) else "highest"


def predicts_ratings(results: Results) -> bool:
    """Whether the results are of predicted ratings, and not of ranked items."""
    return results.get("task") == RATING


def joint_hash(hashes: Sequence[str]) -> str:
    """A single hash unchanged; for several hashes, a hash of all of them."""
    return hashes[0] if len(hashes) == 1 else sha256("\n".join(hashes).encode()).hexdigest()
