"""What a run states in `results.json`: of which datasets, models, metrics and parts of a split.

Reports, cards, the Hub and the commands ask here, so that each of these facts is decided once. The
content stays a mapping as JSON has it; `beekit.results_schema` says how it looks, and reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

Results = Mapping[str, Any]
Row = Mapping[str, Any]

SCHEMA = 1
# What a training calls its rows: the encoder after and before it, and the baselines.
FINE_TUNED, PRETRAINED = "fine-tuned", "pretrained"
RANDOM, POPULARITY = BASELINES = "random", "popularity"
DEFAULT_METRIC = "calibrated_recall@20"
"""The metric that chooses checkpoints and that summaries speak of, unless another is configured."""
# Parts of a split that figures are of; "overall" is test and warm together.
SPLIT_PARTS = ("validation", "test", "warm", "overall")


@dataclass(frozen=True)
class DatasetResults:
    """What results say of one dataset: its name, counts and fingerprint, its split, and its rows.

    `text` and `image` are the template of the texts and the column of the pictures that were read.
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
    """The content of `results.json` from its sections; those that are None are left out."""
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
    """Whether they are of a training on several datasets at once."""
    return "datasets" in results


def is_repeated(results: Results) -> bool:
    """Whether they are over several repeats of a job."""
    return "repeats" in results


def is_training(results: Results) -> bool:
    """Whether they are of a training, and not of a comparison."""
    return "training" in results


def model_files(results: Results) -> Mapping[str, str] | None:
    """SHA-256 of each file of the model as it was trained; None where nobody noted them."""
    noted: Mapping[str, str] | None = results.get("training", {}).get("model_files")
    return noted


def base_models(results: Results) -> list[str]:
    """The encoders a training started from that are names on the Hub."""
    return list(results.get("training", {}).get("base_models", []))


def rows_of(rows: Iterable[Row], model: str) -> list[Row]:
    """The rows of one model, one for each scenario."""
    return [row for row in rows if row["model"] == model]


def rows_by_scenario(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows that may be compared, in order of appearance."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["scenario"], []).append(row)
    return groups


def part_of(scenario: str) -> str:
    """The part of the split that a scenario such as `ml1m/cold_start/test` speaks of."""
    return scenario.rpartition("/")[2]


def metric_names(rows: Iterable[Row]) -> list[str]:
    """Names of the metrics any of these rows has, in order of appearance."""
    return list(dict.fromkeys(name for row in rows for name in row["metrics"]))


def main_metric(names: Iterable[str]) -> str | None:
    """The metric a summary speaks of: the usual one, or the first that is an average over users."""
    per_user = [name for name in names if not name.startswith("coverage")]
    return DEFAULT_METRIC if DEFAULT_METRIC in per_user else next(iter(per_user), None)


def joint_hash(hashes: Sequence[str]) -> str:
    """The hash of one dataset or split as it is; of several, one over all."""
    return hashes[0] if len(hashes) == 1 else sha256("\n".join(hashes).encode()).hexdigest()
