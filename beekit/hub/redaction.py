"""The part of a run's results and configuration that is pushed.

Only the keys listed here are pushed. Interactions, texts and pictures of items, paths, tokens and
names of this machine are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beekit.report.public_names import public_name
from beekit.results import base_models, dataset_results

_RESULTS = (
    *("schema", "dataset", "split", "environment", "rows", "note", "notes", "training"),
    *("comparisons", "by_history", "datasets"),
)
_CONFIG = (
    *("encoder", "image_encoder", "fusion", "pooling", "prompt", "dtype", "text", "image"),
    *("interactions", "items", "columns"),
    *("min_value", "user_min_support", "item_min_support", "unknown_items"),
    *("missing_text", "missing_image", "duplicates", "max_seq_length", "note"),
    *("split", "training", "evaluation"),
)
# The Trainer's arguments that influence the weights.
_TRAINING = (
    *("users_per_step", "items_per_step", "mini_batch_tokens", "dataset_batches", "dropout"),
    *("last_layers", "lora", "max_steps", "epochs", "num_train_epochs", "seed", "data_seed"),
    *("learning_rate", "learning_rate_mapping", "lr_scheduler_type", "lr_scheduler_kwargs"),
    *("warmup_steps", "warmup_ratio", "weight_decay", "optim", "adam_beta1", "adam_beta2"),
    *("adam_epsilon", "max_grad_norm", "bf16", "fp16", "tf32", "eval_strategy", "eval_steps"),
    *("save_strategy", "save_steps", "load_best_model_at_end", "metric_for_best_model"),
)


def public_results(results: Mapping[str, Any]) -> dict[str, Any]:
    """The content of `results.json` without items, and with public names of encoders."""
    kept = {key: results[key] for key in _RESULTS if key in results}
    if "training" in kept:
        kept["training"] = _named(kept["training"], base_models(results))
    return kept


def public_config(config: Mapping[str, Any], results: Mapping[str, Any]) -> dict[str, Any]:
    """The content of `config.yaml` with the names of datasets and encoders, which are those in the
    results, instead of paths."""
    several = isinstance(config["data"], list)
    entries = config["data"] if several else [config["data"]]
    named: list[Any] = [
        {**{k: v for k, v in entry.items() if k in _CONFIG}, "data": one.name}
        if isinstance(entry, dict)
        else one.name
        for entry, one in zip(entries, dataset_results(results), strict=True)
    ]
    kept = {key: config[key] for key in _CONFIG if key in config}
    if kept.get("training"):
        kept["training"] = {k: v for k, v in kept["training"].items() if k in _TRAINING}
    return {"data": named if several else named[0], **_named(kept, base_models(results))}


def _named(section: Mapping[str, Any], known: list[str]) -> dict[str, Any]:
    paths = [key for key in ("encoder", "image_encoder") if section.get(key)]
    return {**section, **{key: public_name(section[key], known) for key in paths}}
