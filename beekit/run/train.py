"""The main job: from a dataset folder to a run folder with model, index, results and report."""

from __future__ import annotations

import dataclasses
import logging
import time
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer

from beekit.encoders import ItemTokens, embed_items, load_encoder
from beekit.evaluation import (
    DEFAULT_METRICS,
    Evaluation,
    HeldOutEvaluator,
    by_history,
    compare,
    evaluate,
    neighbours,
)
from beekit.evaluation.scoring import parse_metric
from beekit.files import replacing_folder
from beekit.hub import write_card
from beekit.index import ItemIndex
from beekit.models import Popularity, Random, Recommender
from beekit.report import write_report
from beekit.run.config import DEFAULT_METRIC, TRAINING_ALIASES, Config
from beekit.run.dataset import describe, load_dataset
from beekit.run.environment import environment
from beekit.run.folder import RunFolder
from beekit.run.serve import save_index
from beekit.run.splitting import make_split
from beekit.split import Split
from beekit.training import BeeFormerTrainer, BeeFormerTrainingArguments
from beekit.training.precision import bf16_pays
from beekit.training.trainer import peak_memory

logger = logging.getLogger(__name__)


def train(config: Config) -> RunFolder:
    """Fine-tune an encoder as configured, and leave a complete run folder.

    A folder with an unfinished run of the same configuration is taken up from its last checkpoint;
    the weights then end as they would have without the interruption. `results.json` is written
    after model, split and index, so a folder that has it is complete but for report and card, which
    follow and can be made again from it.

    Raises:
        BeekitError: anything about the configuration, data, encoder or folder a user can mend.
    """
    metrics = tuple(config.evaluation.metrics or DEFAULT_METRICS)
    for metric in metrics:
        parse_metric(metric, config.evaluation.top_k)
    folder = RunFolder(Path(config.out))
    dataset = load_dataset(config)
    split = make_split(dataset.interactions, config.split)
    encoder = load_encoder(
        config.encoder,
        max_seq_length=config.max_seq_length,
        trust_remote_code=config.trust_remote_code,
    )
    config = folder.claim(config)
    tokens = ItemTokens(encoder, dataset.catalog.texts)
    config = _settle_precision(config, encoder, tokens)
    config.save(folder.config)
    split.save(folder.split)

    before = ItemIndex(embed_items(encoder, tokens, progress=True), dataset.catalog.item_ids)
    evaluations = _evaluate_all(
        {
            "random": Random(config.evaluation.seed),
            "popularity": Popularity().fit(split.train),
            "pretrained": before,
        },
        config,
        split,
        metrics,
    )
    started = time.perf_counter()
    trainer = _trainer(config, folder, split, encoder, tokens)
    trainer.train(resume_from_checkpoint=folder.last_checkpoint)
    seconds = time.perf_counter() - started
    with replacing_folder(folder.model) as staging:
        encoder.save(str(staging))

    after = ItemIndex(embed_items(encoder, tokens, progress=True), dataset.catalog.item_ids)
    evaluations += _evaluate_all({"fine-tuned": after}, config, split, metrics)
    save_index(folder, after, dataset.catalog, split.training_item_ids)
    folder.write_results(
        {
            "schema": 1,
            "dataset": describe(dataset),
            "split": split.summary(),
            "environment": environment(encoder.device),
            "rows": [evaluation.row() for evaluation in evaluations],
            **({"note": config.note} if config.note else {}),
            "training": _describe_training(config, trainer, seconds),
            **_findings(evaluations, split, metrics),
            "neighbours": neighbours(
                before,
                after,
                dataset.interactions.matrix,
                dataset.catalog,
                split.test.candidates if split.test else dataset.interactions.used_items,
            ),
        }
    )
    write_report([folder.path], folder.report)
    write_card(folder.path)
    return folder


def training_arguments(
    config: Config, folder: RunFolder, split: Split
) -> BeeFormerTrainingArguments:
    """The Trainer's arguments; checkpoints and evaluations five times a run unless configured."""
    given = {TRAINING_ALIASES.get(key, key): value for key, value in config.training.items()}
    usual: dict[str, Any] = {"save_strategy": "steps", "save_steps": 0.2}
    if split.validation is not None:
        usual |= {"eval_strategy": "steps", "eval_steps": given.get("save_steps", 0.2)}
        if given.get("load_best_model_at_end"):
            usual |= {"metric_for_best_model": DEFAULT_METRIC, "greater_is_better": True}
    return BeeFormerTrainingArguments(output_dir=str(folder.checkpoints), **{**usual, **given})


def _trainer(
    config: Config,
    folder: RunFolder,
    split: Split,
    encoder: SentenceTransformer,
    tokens: ItemTokens,
) -> BeeFormerTrainer:
    arguments = training_arguments(config, folder, split)
    metric = (arguments.metric_for_best_model or DEFAULT_METRIC).removeprefix("eval_")
    evaluator = None
    if split.validation is not None and arguments.eval_strategy != "no":
        evaluator = HeldOutEvaluator(split.validation, tokens, metric)
    return BeeFormerTrainer(
        encoder, arguments, interactions=split.train, items=tokens, evaluator=evaluator
    )


def _settle_precision(config: Config, encoder: SentenceTransformer, tokens: ItemTokens) -> Config:
    if config.training.get("bf16") != "auto":
        return config
    budget = config.training.get("mini_batch_tokens", BeeFormerTrainingArguments.mini_batch_tokens)
    decided = bf16_pays(encoder, tokens, budget)
    return dataclasses.replace(config, training={**config.training, "bf16": decided})


def _evaluate_all(
    recommenders: dict[str, Recommender], config: Config, split: Split, metrics: tuple[str, ...]
) -> list[Evaluation]:
    if split.test is None:
        return []
    return [
        evaluate(
            recommender,
            split.test,
            metrics=metrics,
            top_k=config.evaluation.top_k,
            model=name,
            scenario=f"{split.kind}/test",
            seed=config.evaluation.seed,
        )
        for name, recommender in recommenders.items()
    ]


def _findings(
    evaluations: list[Evaluation], split: Split, metrics: tuple[str, ...]
) -> dict[str, Any]:
    """Fine-tuned against pretrained: paired tests, and the main metric by history length."""
    if split.test is None:
        return {}
    named = {evaluation.model: evaluation for evaluation in evaluations}
    tuned, pretrained = named["fine-tuned"], named["pretrained"]
    comparisons = [
        {
            "metric": metric,
            "first": tuned.model,
            "second": pretrained.model,
            **dataclasses.asdict(compare(values, pretrained.per_user[metric])),
        }
        for metric, values in tuned.per_user.items()
    ]
    main = DEFAULT_METRIC if DEFAULT_METRIC in tuned.per_user else next(iter(tuned.per_user), None)
    if main is None:
        return {"comparisons": comparisons}
    history = by_history([pretrained, tuned], split.test.source, main)
    return {"comparisons": comparisons, "by_history": history}


def _describe_training(config: Config, trainer: BeeFormerTrainer, seconds: float) -> dict[str, Any]:
    arguments, state = trainer.args, trainer.state
    metric = (arguments.metric_for_best_model or DEFAULT_METRIC).removeprefix("eval_")
    log = state.log_history
    return {
        "encoder": config.encoder,
        "text": config.text,
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
        "max_seq_length": trainer.model.max_seq_length,
        "peak_memory_mb": round(peak_memory(arguments.device)),
        "best_step": state.best_global_step if arguments.load_best_model_at_end else None,
        "metric": metric,
        "loss_curve": [[entry["step"], float(entry["loss"])] for entry in log if "loss" in entry],
        "validation_curve": [
            [entry["step"], entry[f"eval_{metric}"]] for entry in log if f"eval_{metric}" in entry
        ],
    }
