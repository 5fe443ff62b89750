"""The main job: from a dataset folder to a run folder with model, index, results and report."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sentence_transformers import SentenceTransformer

from beekit.alone import alone_in
from beekit.encoders import ItemInputs, ItemPairs, embed_items, embed_sides
from beekit.errors import RunError
from beekit.evaluation import (
    Evaluation,
    by_history,
    compare_metrics,
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
from beekit.report.settings import DEFAULTS, NOT_STATED
from beekit.run.chosen import require_validation, settings_chosen, settings_of_run
from beekit.run.config import DEFAULT_METRIC, TRAINING_ALIASES, Config
from beekit.run.dataset import describe
from beekit.run.encoder import encoder_to_train
from beekit.run.environment import environment
from beekit.run.folder import RunFolder
from beekit.run.leaks import require_unseen
from beekit.run.model_files import require_as_trained
from beekit.run.parts import Part, joint_hash, load_parts, make_parts
from beekit.run.reading import content_of, differing_reading, say
from beekit.run.serve import save_index
from beekit.run.several import finish_several
from beekit.run.sources import Source, run_of, save_before, shown, sources
from beekit.run.thumbnails import write_thumbnails
from beekit.run.training import describe_training, make_trainer, training_arguments
from beekit.run_files import model_digests
from beekit.split import Split
from beekit.split.training_record import record_training, save_training_record
from beekit.training import BeeFormerTrainingArguments
from beekit.training.precision import bf16_pays

logger = logging.getLogger(__name__)


def train(config: Config) -> RunFolder:
    """Fine-tune an encoder as configured, and leave a complete run folder.

    A run on several datasets has a folder of results for each in `datasets/`, and one model.

    The folder is this process's alone meanwhile, and what another kind of job left there is not
    touched. A folder with an unfinished run of the same configuration is taken up from its last
    checkpoint; the weights then end as they would have without it. `results.json` is written after
    model, split and index, so a folder that has it is complete but for report and card, which
    follow, and which `beekit report` makes again.

    Raises:
        BeekitError: if there is a fault in the configuration, the data, the encoder or the folder
            that the user can mend.
    """
    config.require_single()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise RunError(
            f"a launcher with {os.environ['WORLD_SIZE']} processes",
            expected="one, since each would write the run folder",
            remedy="Run `beekit train` alone, or BeeFormerTrainer in a script of your own.",
        )
    with alone_in(config.out):
        return _train(config, RunFolder(Path(config.out)))


def _train(config: Config, folder: RunFolder) -> RunFolder:
    metrics = usual_metrics(config.evaluation.metrics, config.evaluation.top_k)
    folder.require_trainable(config)
    loaded = load_parts(config)
    # Mistakes in the arguments show before anything takes long.
    training_arguments(config, folder, [split for _, _, split in loaded])
    for _, _, split in loaded:
        require_validation({"chosen_on": config.chosen_on}, split)
    encoder = encoder_to_train(config)
    parts = make_parts(folder, loaded, encoder)
    begun = _begun(config)
    noted = [_notes(config, folder, part, parts, encoder, begun) for part in parts]
    config = folder.claim(
        config,
        joint_hash([part.split.hash for part in parts]),
        joint_hash([part.dataset.fingerprint for part in parts]),
    )
    config = _settle_precision(config, encoder, parts[0].inputs)
    folder.write_config(config)
    before = [_before(part, encoder, metrics) for part in parts]
    save_before(parts[0].folder.split, [one for each in begun.values() for one in each])
    started = time.perf_counter()
    trainer = make_trainer(config, folder, encoder, parts)
    trainer.train(resume_from_checkpoint=folder.last_checkpoint)
    seconds = time.perf_counter() - started
    with replacing_folder(folder.model) as staging:
        encoder.save(str(staging), create_model_card=False)  # the run's own says more
    files = model_digests(folder.model)
    training = {**describe_training(config, trainer, seconds), "model_files": files}
    for part, (embedded, evaluations), notes in zip(parts, before, noted, strict=True):
        _finish(part, encoder, training, embedded, evaluations, metrics, notes, list(begun))
    if parts[1:]:
        finish_several(folder, config, parts)
    return folder


def _begun(config: Config) -> dict[Path, list[Source]]:
    """The runs that the encoder to train comes from, and what they learnt from."""
    runs = map(run_of, (config.encoder, config.image_encoder))
    begun = {run: sources(run) for run in runs if run is not None}
    for run in begun:
        require_as_trained(RunFolder(run))
    return begun


def _notes(
    config: Config,
    folder: RunFolder,
    part: Part,
    parts: Sequence[Part],
    encoder: SentenceTransformer,
    begun: Mapping[Path, Sequence[Source]],
) -> list[str]:
    """What to say beside the figures on a dataset: what else the encoder has learnt from.

    Raises:
        RunError: if the encoder comes from a run that learnt, or may have learnt, from what is held
            out here.
    """
    dataset, split = part.dataset, part.split
    notes = []
    for run, learnt in begun.items():
        notes += require_unseen(shown(run), learnt, dataset, split)
        lines = differing_reading(run, part.config, dataset, encoder)
        notes += say(shown(run), lines if config.image_encoder is None else [])
    others = [
        Source(
            str(folder.path),
            other.dataset.name,
            other.dataset.fingerprint,
            other.split.hash,
            record_training(other.split, other.dataset.catalog),
        )
        for other in parts
        if other is not part
    ]
    return notes + require_unseen("fine-tuned", others, dataset, split, refuse=False)


def _before(
    part: Part, encoder: SentenceTransformer, metrics: tuple[str, ...]
) -> tuple[Embedded, list[Evaluation]]:
    """The dataset's split written down; its embeddings and rows before training."""
    part.split.save(part.folder.split)
    save_training_record(part.folder.split, record_training(part.split, part.dataset.catalog))
    embedded = Embedded.of(part, encoder)
    floors: dict[str, Recommender] = {
        "random": Random(part.config.evaluation.seed),
        "popularity": Popularity().fit(part.split.train),
    }
    return embedded, _evaluate_all({**floors, "pretrained": embedded.index}, part, metrics)


def _finish(
    part: Part,
    encoder: SentenceTransformer,
    training: Mapping[str, Any],
    before: Embedded,
    evaluations: list[Evaluation],
    metrics: tuple[str, ...],
    notes: Sequence[str],
    begun: Sequence[Path],
) -> None:
    """Index, results, report and card of a dataset after training."""
    folder, config, dataset, split = part.folder, part.config, part.dataset, part.split
    after = Embedded.of(part, encoder)
    evaluations = [*evaluations, *_evaluate_all({"fine-tuned": after.index}, part, metrics)]
    save_index(folder, after.index, dataset.catalog, split.training_item_ids, after.text_part)
    near = neighbours(
        before.index,
        after.index,
        dataset.interactions.matrix,
        dataset.catalog,
        split.test.candidates if split.test else dataset.interactions.used_items,
        text_parts=(before.text_part, after.text_part),
    )
    write_thumbnails(folder, dataset.catalog, near)
    earlier = [settings_of_run(RunFolder(run).whole.read_results(), split) for run in begun]
    folder.write_results(
        {
            "schema": 1,
            "dataset": describe(dataset),
            "split": split.summary(),
            "environment": environment(encoder.device),
            "rows": [
                {
                    **evaluation.row(),
                    "settings_chosen": _settings_chosen(config, evaluation.model, earlier),
                }
                for evaluation in evaluations
            ],
            **({"note": config.note} if config.note else {}),
            **({"notes": list(notes)} if notes else {}),
            "training": {
                **training,
                **{k: v for k, v in content_of(dataset).items() if v is not None},
            },
            **_findings(evaluations, split, metrics),
            "neighbours": near,
        }
    )
    write_report([folder.path], folder.report)
    write_card(folder.path)


@dataclass(frozen=True)
class Embedded:
    """A catalog's embeddings at one time.

    Attributes:
        index: over them.
        text_part: what of them comes from texts, where an encoder reads pictures too.
    """

    index: ItemIndex
    text_part: np.ndarray | None

    @classmethod
    def of(cls, part: Part, encoder: SentenceTransformer) -> Embedded:
        """With the encoder as it is now."""
        item_ids = part.dataset.catalog.item_ids
        if isinstance(part.inputs, ItemPairs):
            vectors, text_part = embed_sides(encoder, part.inputs, item_ids=item_ids, progress=True)
            return cls(ItemIndex(vectors, item_ids), text_part)
        vectors = embed_items(encoder, part.inputs, item_ids=item_ids, progress=True)
        return cls(ItemIndex(vectors, item_ids), None)


def _settings_chosen(config: Config, model: str, earlier: Sequence[str] = ()) -> str:
    """How the settings of a row were chosen: of the encoder, before this training and by it.

    Args:
        config: of this training.
        model: of the row.
        earlier: what the runs say that the encoder comes from.
    """
    said = set(earlier) or {DEFAULTS}
    before = said.pop() if len(said) == 1 else NOT_STATED
    if model == "pretrained":
        return before
    if model != "fine-tuned":
        return DEFAULTS
    given = {TRAINING_ALIASES.get(key, key): value for key, value in config.training.items()}
    own = settings_chosen(given, BeeFormerTrainingArguments, config.chosen_on)
    return before if own == DEFAULTS and config.chosen_on is None else own


def _settle_precision(config: Config, encoder: SentenceTransformer, inputs: ItemInputs) -> Config:
    if config.training.get("bf16") != "auto":
        return config
    budget = config.training.get("mini_batch_tokens", BeeFormerTrainingArguments.mini_batch_tokens)
    decided = bf16_pays(encoder, inputs, budget)
    return config.replace(training={**config.training, "bf16": decided})


def _evaluate_all(
    recommenders: Mapping[str, Recommender], part: Part, metrics: tuple[str, ...]
) -> list[Evaluation]:
    if part.split.test is None:
        return []
    return [
        evaluate(
            recommender,
            part.split.test,
            metrics=metrics,
            top_k=part.config.evaluation.top_k,
            model=name,
            scenario=f"{part.split.kind}/test",
            seed=part.config.evaluation.seed,
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
    comparisons = compare_metrics(tuned, pretrained)
    main = DEFAULT_METRIC if DEFAULT_METRIC in tuned.per_user else next(iter(tuned.per_user), None)
    if main is None:
        return {"comparisons": comparisons}
    history = by_history([pretrained, tuned], split.test.source, main)
    return {"comparisons": comparisons, "by_history": history}
