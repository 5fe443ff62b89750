"""The Trainer a configuration asks for, and what it did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from transformers import Trainer, get_scheduler
from transformers.integrations.integration_utils import get_reporting_integration_callbacks

from beekit.encoder_modules import NAMESPACE
from beekit.encoders.load import says_no_pooling, token_limit
from beekit.encoders.pooling import pooling_of
from beekit.encoders.precision import came_in
from beekit.encoders.prompts import item_prompt
from beekit.encoders.text_image import reads_both
from beekit.errors import ConfigError
from beekit.evaluation import HeldOutEvaluator, MeanEvaluator
from beekit.evaluation.named_metrics import named_metric
from beekit.evaluation.telling_metric import telling_metric
from beekit.report.public_names import published
from beekit.results import DEFAULT_METRIC
from beekit.run.config import Config
from beekit.run.run_dataset import RunDataset
from beekit.run_folder import RunFolder
from beekit.split import Split
from beekit.training import BeeFormerTrainer, BeeFormerTrainingArguments
from beekit.training.keys import ALIASES
from beekit.training.trainer import peak_memory

# What the Trainer raises for arguments that it cannot use.
_REFUSALS = (ValueError, TypeError, ImportError, RuntimeError, OverflowError)


# Keys that need a validation part, and the values that ask for none.
_VALIDATION = {
    **{"eval_strategy": "no", "eval_steps": None, "eval_delay": 0, "eval_on_start": False},
    **{"metric_for_best_model": None, "greater_is_better": None, "load_best_model_at_end": False},
}


def training_arguments(
    config: Config, folder: RunFolder, splits: Sequence[Split] | None = None
) -> BeeFormerTrainingArguments:
    """The Trainer's arguments; checkpoints and evaluations five times a run unless configured.

    Without `splits`, which take a while to make, all is checked that does not depend on them.

    Raises:
        ConfigError: if the Trainer refuses a value, if a key asks for validation and no split has a
            validation part, or if the metric is unknown or cannot tell one step from another.
    """
    given = {ALIASES.get(key, key): value for key, value in config.training.items()}
    if given.get("bf16") == "auto":
        del given["bf16"]  # settled once the encoder is there to be timed
    saving = given.get("save_strategy", "steps")
    usual: dict[str, Any] = {
        "save_strategy": saving,
        "save_steps": given.get("eval_steps", 0.2),
        "metric_for_best_model": DEFAULT_METRIC,
        "greater_is_better": True,
    }
    validated = splits is None or any(split.validation is not None for split in splits)
    if validated and saving != "no":
        usual |= {
            "eval_strategy": "steps" if saving == "best" else saving,
            "eval_steps": given.get("save_steps", 0.2),
        }
    for key, nothing in _VALIDATION.items():
        if not validated and given.get(key, nothing) != nothing:
            raise ConfigError(
                f"training.{key}={given[key]} and a split without validation part",
                expected="something to evaluate on",
                remedy=f"Set training.{key}=null, or give the split a validation part.",
            )
    try:
        arguments = BeeFormerTrainingArguments(
            output_dir=str(folder.checkpoints), **{**usual, **given}
        )
        _try_out(arguments)
    except _REFUSALS as error:
        found = f"the training section is refused ({' '.join(str(error).split())})"
        expected = "arguments the Hugging Face Trainer accepts"
        raise ConfigError(found, expected=expected, remedy="Correct the keys named.") from error
    named_metric(_validation_metric(arguments))
    if splits is not None and arguments.eval_strategy != "no":
        validations = [split.validation for split in splits if split.validation is not None]
        metric = telling_metric(
            _validation_metric(arguments), validations, chosen="metric_for_best_model" in given
        )
        if arguments.metric_for_best_model is not None:
            arguments.metric_for_best_model = metric
    return arguments


def _try_out(arguments: BeeFormerTrainingArguments) -> None:
    """Make what the Trainer makes of its arguments later, when the run folder is begun."""
    if arguments.metric_for_best_model == "":
        raise ValueError("metric_for_best_model is empty")
    for logger in get_reporting_integration_callbacks(arguments.report_to):
        logger()  # refuses where its package is missing
    model = torch.nn.Linear(1, 1)
    kind, settings = Trainer.get_optimizer_cls_and_kwargs(arguments)
    try:
        optimizer = kind(model.parameters(), **settings)
    except KeyError:  # an optimizer of layers, which wants the encoder's own
        return
    get_scheduler(
        arguments.lr_scheduler_type,
        optimizer,
        num_warmup_steps=arguments.get_warmup_steps(10),
        num_training_steps=10,
        scheduler_specific_kwargs=arguments.lr_scheduler_kwargs,
    )


def make_trainer(
    arguments: BeeFormerTrainingArguments,
    encoder: SentenceTransformer,
    datasets: Sequence[RunDataset],
) -> BeeFormerTrainer:
    """The Trainer, evaluating on the validation parts that the datasets' splits have."""
    metric = _validation_metric(arguments)
    evaluators = {
        one.dataset.name: HeldOutEvaluator(
            one.split.validation, one.inputs, metric, one.dataset.catalog.item_ids
        )
        for one in datasets
        if one.split.validation is not None and arguments.eval_strategy != "no"
    }
    evaluator = None
    if evaluators:
        evaluator = MeanEvaluator(evaluators) if datasets[1:] else next(iter(evaluators.values()))
    return BeeFormerTrainer(
        encoder,
        arguments,
        interactions=[one.split.train for one in datasets],
        items=[one.inputs for one in datasets],
        evaluator=evaluator,
    )


def _validation_metric(arguments: BeeFormerTrainingArguments) -> str:
    return str(arguments.metric_for_best_model or DEFAULT_METRIC).removeprefix("eval_")


def describe_training(
    config: Config, trainer: BeeFormerTrainer, seconds: float, dtype: str
) -> dict[str, Any]:
    """Parameters, time, memory and curves of a training, for results.json; `dtype` is what the
    weights were saved in."""
    arguments, state = trainer.args, trainer.state
    metric = _validation_metric(arguments)
    log = state.log_history
    return {
        "encoder": config.encoder,
        "base_models": published([config.encoder, config.image_encoder]),
        **(
            {"image_encoder": config.image_encoder, "fusion": trainer.model[0].fusion}
            if reads_both(trainer.model)
            else {}
        ),
        **describe_reading(config, trainer.model),
        "dtypes": {
            "encoder": came_in(trainer.model),
            "training": "float32",
            "autocast": next((to for to in ("bf16", "fp16") if getattr(arguments, to)), None),
            "saved": dtype,
        },
        "needs_beekit": any(type(m).__module__ == NAMESPACE for m in trainer.model.modules()),
        "loss": type(trainer.loss).__name__,
        "steps": state.global_step,
        "seconds": round(seconds, 1),
        **{
            name: getattr(arguments, name)
            for name in (
                *("users_per_step", "items_per_step", "mini_batch_tokens", "learning_rate"),
                *("weight_decay", "warmup_steps", "seed", "bf16", "dropout"),
            )
        },
        **({"dataset_batches": arguments.dataset_batches} if len(config.datasets()) > 1 else {}),
        "scheduler": str(arguments.lr_scheduler_type.value),
        "optimizer": str(getattr(arguments.optim, "value", arguments.optim)),
        "last_layers": arguments.last_layers,
        "lora": arguments.lora,
        "trained_parameters": trainer.trained_parameters,
        "parameters": sum(p.numel() for p in trainer.model.parameters()),
        "max_seq_length": token_limit(trainer.model),
        "peak_memory_mb": round(peak_memory(arguments.device)),
        "best_step": state.best_global_step if arguments.load_best_model_at_end else None,
        "metric": metric,
        "loss_curve": [[entry["step"], float(entry["loss"])] for entry in log if "loss" in entry],
        "validation_curve": [
            [entry["step"], entry[f"eval_{metric}"]] for entry in log if f"eval_{metric}" in entry
        ],
    }


def describe_reading(config: Config, encoder: SentenceTransformer) -> dict[str, Any]:
    """The prompt before every text, how tokens become one embedding and who said so, and of how
    many dimensions the embeddings are where an encoder cuts them."""
    sides: dict[str, tuple[str | None, Any]] = {"": (config.encoder, encoder)}
    if reads_both(encoder):
        both: Any = encoder[0]
        sides = {"": (config.encoder, both.text), "image_": (config.image_encoder, both.image)}
    told: dict[str, Any] = {"prompt": item_prompt(encoder) or None}
    for side, (name, own) in sides.items():
        pooling = pooling_of(own)
        if name is not None and pooling is not None:
            chosen = "encoder's own"
            if config.pooling is not None and not side:
                chosen = "configuration"
            elif says_no_pooling(name):
                chosen = "assumed"
            told |= {f"{side}pooling": pooling, f"{side}pooling_source": chosen}
    return told | {"truncate_dim": encoder.truncate_dim}
