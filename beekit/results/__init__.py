"""What a run states in `results.json`: its schema, and every question that is put to it.

Reports, cards, the Hub and the commands ask here which datasets, models and metrics a run has, so
that each of these facts is decided once. The content stays a mapping as JSON has it.
"""

from beekit.results.content import (
    DEFAULT_METRIC,
    FINE_TUNED,
    POPULARITY,
    PRETRAINED,
    RANDOM,
    SPLIT_PARTS,
    DatasetResults,
    base_models,
    dataset_results,
    is_joint,
    is_repeated,
    is_training,
    joint_hash,
    main_metric,
    metric_names,
    model_files,
    part_of,
    rows_by_scenario,
    rows_of,
)
from beekit.results.schema import compose_results, read_results

__all__ = [
    "DEFAULT_METRIC",
    "FINE_TUNED",
    "POPULARITY",
    "PRETRAINED",
    "RANDOM",
    "SPLIT_PARTS",
    "DatasetResults",
    "base_models",
    "compose_results",
    "dataset_results",
    "is_joint",
    "is_repeated",
    "is_training",
    "joint_hash",
    "main_metric",
    "metric_names",
    "model_files",
    "part_of",
    "read_results",
    "rows_by_scenario",
    "rows_of",
]
