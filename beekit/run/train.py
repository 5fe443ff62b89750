"""The main job: from a dataset folder to a run folder with model, index, results and report."""

from __future__ import annotations

import dataclasses
import logging
import os
import time
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer

from beekit.encoders import ItemInputs, embed_items, load_encoder
from beekit.errors import RunError
from beekit.evaluation import (
    Evaluation,
    by_history,
    compare,
    evaluate,
    neighbours,
)
from beekit.evaluation.scoring import usual_metrics
from beekit.files import replacing_folder
from beekit.hub import write_card
from beekit.index import ItemIndex
from beekit.models import Popularity, Random
from beekit.ranking import Recommender
from beekit.report import write_report
from beekit.run.config import DEFAULT_METRIC, Config
from beekit.run.dataset import describe, load_dataset
from beekit.run.environment import environment
from beekit.run.folder import RunFolder
from beekit.run.inputs import item_inputs
from beekit.run.serve import save_index
from beekit.run.splitting import make_split
from beekit.run.training import describe_training, make_trainer, training_arguments
from beekit.split import Split
from beekit.training import BeeFormerTrainingArguments
from beekit.training.precision import bf16_pays

logger = logging.getLogger(__name__)


def train(config: Config) -> RunFolder:
    """Fine-tune an encoder as configured, and leave a complete run folder.

    A folder with an unfinished run of the same configuration is taken up from its last checkpoint;
    the weights then end as they would have without the interruption. `results.json` is written
    after model, split and index, so a folder that has it is complete but for report and card, which
    follow, and which `beekit report` makes again.

    Raises:
        BeekitError: anything about the configuration, data, encoder or folder a user can mend.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise RunError(
            f"a launcher with {os.environ['WORLD_SIZE']} processes",
            expected="one, since each would write the run folder",
            remedy="Run `beekit train` alone, or BeeFormerTrainer in a script of your own.",
        )
    metrics = usual_metrics(config.evaluation.metrics, config.evaluation.top_k)
    folder = RunFolder(Path(config.out))
    dataset = load_dataset(config)
    split = make_split(dataset.interactions, config.split)
    training_arguments(config, folder, split)  # mistakes in them show before anything takes long
    encoder = load_encoder(
        config.encoder,
        max_seq_length=config.max_seq_length,
        trust_remote_code=config.trust_remote_code,
    )
    usable, inputs = item_inputs(config, dataset, encoder)
    if usable is not dataset:
        dataset, split = usable, make_split(usable.interactions, config.split)
    config = folder.claim(config, split.hash, dataset.fingerprint)
    config = _settle_precision(config, encoder, inputs)
    folder.write_config(config)
    split.save(folder.split)

    before = ItemIndex(embed_items(encoder, inputs, progress=True), dataset.catalog.item_ids)
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
    trainer = make_trainer(config, folder, split, encoder, inputs)
    trainer.train(resume_from_checkpoint=folder.last_checkpoint)
    seconds = time.perf_counter() - started
    with replacing_folder(folder.model) as staging:
        encoder.save(str(staging))

    after = ItemIndex(embed_items(encoder, inputs, progress=True), dataset.catalog.item_ids)
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
            "training": describe_training(config, dataset.catalog.text, trainer, seconds),
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


def _settle_precision(config: Config, encoder: SentenceTransformer, inputs: ItemInputs) -> Config:
    if config.training.get("bf16") != "auto":
        return config
    budget = config.training.get("mini_batch_tokens", BeeFormerTrainingArguments.mini_batch_tokens)
    decided = bf16_pays(encoder, inputs, budget)
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
