"""The Trainer a configuration asks for, and what it did."""

from __future__ import annotations

from typing import Any

from sentence_transformers import SentenceTransformer

from beekit.encoders import ItemInputs
from beekit.errors import ConfigError
from beekit.evaluation import HeldOutEvaluator
from beekit.evaluation.scoring import parse_metric
from beekit.run.config import DEFAULT_METRIC, TRAINING_ALIASES, Config
from beekit.run.folder import RunFolder
from beekit.split import Split
from beekit.training import BeeFormerTrainer, BeeFormerTrainingArguments
from beekit.training.trainer import peak_memory


def training_arguments(
    config: Config, folder: RunFolder, split: Split
) -> BeeFormerTrainingArguments:
    """The Trainer's arguments; checkpoints and evaluations five times a run unless configured.

    Raises:
        ConfigError: values the Trainer refuses, alone or together.
    """
    given = {TRAINING_ALIASES.get(key, key): value for key, value in config.training.items()}
    if given.get("bf16") == "auto":
        del given["bf16"]  # settled once the encoder is there to be timed
    saving = given.get("save_strategy", "steps")
    usual: dict[str, Any] = {
        "save_strategy": saving,
        "save_steps": given.get("eval_steps", 0.2),
        "metric_for_best_model": DEFAULT_METRIC,
        "greater_is_better": True,
    }
    if split.validation is not None and saving != "no":
        usual |= {
            "eval_strategy": "steps" if saving == "best" else saving,
            "eval_steps": given.get("save_steps", 0.2),
        }
    elif split.validation is None and given.get("eval_strategy", "no") != "no":
        raise ConfigError(
            f"training.eval_strategy={given['eval_strategy']} and a split without validation part",
            expected="something to evaluate on",
            remedy="Leave eval_strategy out, or give the split a validation part.",
        )
    try:
        arguments = BeeFormerTrainingArguments(
            output_dir=str(folder.checkpoints), **{**usual, **given}
        )
    except (ValueError, TypeError, ImportError, RuntimeError) as error:
        raise ConfigError(
            f"the training section is refused ({' '.join(str(error).split())})",
            expected="arguments the Hugging Face Trainer accepts",
            remedy="Correct the keys named.",
        ) from error
    parse_metric(_validation_metric(arguments))
    return arguments


def make_trainer(
    config: Config,
    folder: RunFolder,
    split: Split,
    encoder: SentenceTransformer,
    inputs: ItemInputs,
) -> BeeFormerTrainer:
    """The Trainer, evaluating on the split's validation part where it has one."""
    arguments = training_arguments(config, folder, split)
    evaluator = None
    if split.validation is not None and arguments.eval_strategy != "no":
        evaluator = HeldOutEvaluator(split.validation, inputs, _validation_metric(arguments))
    return BeeFormerTrainer(
        encoder, arguments, interactions=split.train, items=inputs, evaluator=evaluator
    )


def _validation_metric(arguments: BeeFormerTrainingArguments) -> str:
    return str(arguments.metric_for_best_model or DEFAULT_METRIC).removeprefix("eval_")


def describe_training(
    config: Config, text: str | None, trainer: BeeFormerTrainer, seconds: float
) -> dict[str, Any]:
    """Parameters, time, memory and curves of a training, for results.json."""
    arguments, state = trainer.args, trainer.state
    metric = _validation_metric(arguments)
    log = state.log_history
    return {
        "encoder": config.encoder,
        "text": text,
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
        "scheduler": str(arguments.lr_scheduler_type.value),
        "optimizer": str(getattr(arguments.optim, "value", arguments.optim)),
        "last_layers": arguments.last_layers,
        "lora": arguments.lora,
        "trained_parameters": trainer.trained_parameters,
        "parameters": sum(p.numel() for p in trainer.model.parameters()),
        "max_seq_length": trainer.model.max_seq_length,
        "peak_memory_mb": round(peak_memory(arguments.device)),
        "best_step": state.best_global_step if arguments.load_best_model_at_end else None,
        "metric": metric,
        "loss_curve": [[entry["step"], float(entry["loss"])] for entry in log if "loss" in entry],
        "validation_curve": [
            [entry["step"], entry[f"eval_{metric}"]] for entry in log if f"eval_{metric}" in entry
        ],
    }
