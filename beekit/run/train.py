"""The main job: from a dataset folder to a run folder with model, index, results and report."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sentence_transformers import SentenceTransformer

from beekit.encoders.precision import as_saved
from beekit.evaluation import Evaluation, by_history, compare_metrics, evaluate, neighbours
from beekit.evaluation.named_metrics import usual_metrics
from beekit.files import replacing_folder
from beekit.folder_lock import alone_in
from beekit.hub import write_card
from beekit.index import ItemIndex
from beekit.launcher import require_alone
from beekit.model_files import model_digests
from beekit.models import Popularity, Random
from beekit.ranking import Recommender
from beekit.report import write_report
from beekit.report.settings import DEFAULTS, NOT_STATED
from beekit.results import (
    FINE_TUNED,
    POPULARITY,
    PRETRAINED,
    RANDOM,
    compose_results,
    joint_hash,
    main_metric,
)
from beekit.run.config import Config
from beekit.run.dataset import describe
from beekit.run.encoder import encoder_to_train
from beekit.run.encoder_files import encoder_files
from beekit.run.environment import environment, versions
from beekit.run.input_differences import content_of, input_differences, log_notes
from beekit.run.inputs import embed_and_index
from beekit.run.joint_results import finish_joint
from beekit.run.leakage import require_unseen
from beekit.run.locations import absolute
from beekit.run.resume import (
    claim,
    config_to_run,
    lacks_report,
    last_checkpoint,
    made_again,
    write_config,
)
from beekit.run.run_dataset import RunDataset, load_datasets, settle_datasets
from beekit.run.serve import save_index
from beekit.run.settings_source import require_validation, settings_chosen, settings_of_run
from beekit.run.thumbnails import write_thumbnails
from beekit.run.training import describe_training, make_trainer, training_arguments
from beekit.run.training_history import Source, save_before, shown, sources
from beekit.run_folder import RunFolder, run_of
from beekit.split import Split
from beekit.split.training_record import record_training, save_training_record
from beekit.training import BeeFormerTrainingArguments
from beekit.training.keys import ALIASES
from beekit.training.precision import bf16_pays

logger = logging.getLogger(__name__)


def train(config: Config) -> RunFolder:
    """Fine-tune an encoder as configured, and leave a complete run folder.

    A run on several datasets has a folder of results for each in `datasets/`, and one model.

    The folder is this process's alone meanwhile, and what another kind of job left there is not
    touched. A folder with an unfinished run of the same configuration is taken up from its last
    checkpoint; the weights then end as they would have without it. `results.json` is written after
    model, split and index, so a folder that has it is complete but for report and card, which
    follow: after a kill in between the same command makes all of it again.

    Raises:
        BeekitError: if there is a fault that the user can mend.
    """
    config.require_single()
    require_alone()
    config = absolute(config)
    folder = RunFolder(Path(config.out))
    with alone_in(config.out):
        if last_checkpoint(folder) and lacks_report(folder, config, folder.card):
            with made_again(folder):  # from the last checkpoint, which is checked
                return _train(_settle(config, folder))
        return _train(_settle(config, folder))


# An index over a catalog, and what of its vectors comes from texts where pictures are read too.
_Indexed = tuple[ItemIndex, np.ndarray | None]


@dataclass(frozen=True)
class _Job:
    """A training with everything decided, and nothing begun."""

    config: Config
    folder: RunFolder
    encoder: SentenceTransformer
    encoder_files: Mapping[str, Mapping[str, str]]  # digests, by the key that names the encoder
    datasets: Sequence[RunDataset]
    arguments: BeeFormerTrainingArguments
    metrics: tuple[str, ...]
    begun: Mapping[Path, Sequence[Source]]  # runs the encoder comes from: what they learnt from
    notes: Sequence[Sequence[str]]  # beside the figures on each dataset


def _settle(asked: Config, folder: RunFolder) -> _Job:
    """Decide everything; the mistakes that are cheapest to find come first."""
    metrics = usual_metrics(asked.evaluation.metrics, asked.evaluation.top_k)
    config = config_to_run(folder, asked)
    training_arguments(config, folder)
    loaded = load_datasets(config)
    arguments = training_arguments(config, folder, [split for _, _, split in loaded])
    for _, _, split in loaded:
        require_validation({"chosen_on": config.chosen_on}, split)
    encoder, files = encoder_to_train(config), encoder_files(config)
    datasets = settle_datasets(folder, loaded, encoder)
    begun = _begun(config)
    notes = [_notes(config, folder, one, datasets, encoder, begun) for one in datasets]
    if config.training.get("bf16") == "auto":
        budget = config.training.get(
            "mini_batch_tokens", BeeFormerTrainingArguments.mini_batch_tokens
        )
        decided = bf16_pays(encoder, datasets[0].inputs, budget)
        config = config.replace(training={**config.training, "bf16": decided})
        arguments = training_arguments(config, folder, [one.split for one in datasets])
        datasets = [
            dataclasses.replace(one, config=own)
            for one, own in zip(datasets, config.datasets(), strict=True)
        ]
    return _Job(config, folder, encoder, files, datasets, arguments, metrics, begun, notes)


def _train(job: _Job) -> RunFolder:
    folder, encoder, datasets = job.folder, job.encoder, job.datasets
    splits = [one.split.hash for one in datasets]
    fingerprints = [one.dataset.fingerprint for one in datasets]
    made_of = {"split": joint_hash(splits), "fingerprint": joint_hash(fingerprints)}
    resumed = claim(folder, {**made_of, **job.encoder_files}, versions(encoder.device))
    for line in resumed:
        logger.warning("%s", line)
    write_config(folder, job.config)
    trainer = make_trainer(job.arguments, encoder, datasets)
    before = [_before(one, encoder, job.metrics) for one in datasets]
    save_before(datasets[0].folder.split, [one for each in job.begun.values() for one in each])
    trainer.train(resume_from_checkpoint=last_checkpoint(folder))
    seconds = trainer.seconds
    with replacing_folder(folder.model) as staging, as_saved(encoder, job.config.dtype) as dtype:
        encoder.save(str(staging), create_model_card=False)  # the run's own says more
    files = model_digests(folder.model)
    training = {**describe_training(job.config, trainer, seconds, dtype), "model_files": files}
    for one, (indexed, evaluations), notes in zip(datasets, before, job.notes, strict=True):
        _finish(job, one, training, indexed, evaluations, [*notes, *resumed])
    if datasets[1:]:
        finish_joint(folder, datasets)
    return folder


def _begun(config: Config) -> dict[Path, list[Source]]:
    """The runs that the encoder to train comes from, and what they learnt from."""
    runs = map(run_of, (config.encoder, config.image_encoder))
    begun = {run: sources(run) for run in runs if run is not None}
    for run in begun:
        RunFolder(run).require_as_trained()
    return begun


def _notes(
    config: Config,
    folder: RunFolder,
    own: RunDataset,
    datasets: Sequence[RunDataset],
    encoder: SentenceTransformer,
    begun: Mapping[Path, Sequence[Source]],
) -> list[str]:
    """What to say beside the figures on a dataset: what else the encoder has learnt from."""
    dataset, split = own.dataset, own.split
    notes = []
    for run, learnt in begun.items():
        notes += require_unseen(shown(run), learnt, dataset, split)
        lines = input_differences(run, own.config, dataset, encoder)
        notes += log_notes(shown(run), lines if config.image_encoder is None else [])
    others = []
    for other in datasets:
        if other is not own:
            record = record_training(other.split, other.dataset.catalog)
            name, fingerprint = other.dataset.name, other.dataset.fingerprint
            others.append(Source(str(folder.path), name, fingerprint, other.split.hash, record))
    return notes + require_unseen(FINE_TUNED, others, dataset, split, refuse=False)


def _before(
    own: RunDataset, encoder: SentenceTransformer, metrics: tuple[str, ...]
) -> tuple[_Indexed, list[Evaluation]]:
    """The dataset's split written down; its embeddings and rows before training."""
    own.split.save(own.folder.split)
    save_training_record(own.folder.split, record_training(own.split, own.dataset.catalog))
    indexed = embed_and_index(encoder, own.inputs, own.dataset.catalog.item_ids)
    compared: dict[str, Recommender] = {
        RANDOM: Random(own.config.evaluation.seed),
        POPULARITY: Popularity().fit(own.split.train),
        PRETRAINED: indexed[0],
    }
    return indexed, _evaluate_all(compared, own, metrics)


def _finish(
    job: _Job,
    own: RunDataset,
    training: Mapping[str, Any],
    before: _Indexed,
    evaluations: list[Evaluation],
    notes: Sequence[str],
) -> None:
    """Index, results, report and card of a dataset after training."""
    folder, dataset, split = own.folder, own.dataset, own.split
    index, text_part = embed_and_index(job.encoder, own.inputs, dataset.catalog.item_ids)
    evaluations = [*evaluations, *_evaluate_all({FINE_TUNED: index}, own, job.metrics)]
    save_index(folder, index, dataset.catalog, split.training_item_ids, text_part)
    near = neighbours(
        before[0],
        index,
        dataset.interactions.matrix,
        dataset.catalog,
        split.test.candidates if split.test else dataset.interactions.used_items,
        text_parts=(before[1], text_part),
    )
    write_thumbnails(folder, dataset.catalog, near)
    earlier = [settings_of_run(RunFolder(run).whole.read_results(), split) for run in job.begun]
    results = compose_results(
        dataset=describe(dataset),
        split=split.summary(),
        environment=environment(job.encoder.device),
        rows=[
            {**one.row(), "settings_chosen": _settings_chosen(job.config, one.model, earlier)}
            for one in evaluations
        ],
        note=job.config.note or None,
        notes=list(notes) or None,
        training={**training, **{k: v for k, v in content_of(dataset).items() if v is not None}},
        **_findings(evaluations, split),
        neighbours=near,
    )
    folder.write_results(results)
    write_report([folder.path], folder.report)
    write_card(folder.path)


def _settings_chosen(config: Config, model: str, earlier: Sequence[str] = ()) -> str:
    """How the settings behind a row were chosen: of the encoder, before this training and by it.

    `earlier` is what the runs that the encoder comes from say of theirs.
    """
    said = set(earlier) or {DEFAULTS}
    before = said.pop() if len(said) == 1 else NOT_STATED
    if model == PRETRAINED:
        return before
    if model != FINE_TUNED:
        return DEFAULTS
    given = {ALIASES.get(key, key): value for key, value in config.training.items()}
    own = settings_chosen(given, BeeFormerTrainingArguments, config.chosen_on)
    return before if own == DEFAULTS and config.chosen_on is None else own


def _evaluate_all(
    recommenders: Mapping[str, Recommender], own: RunDataset, metrics: tuple[str, ...]
) -> list[Evaluation]:
    if own.split.test is None:
        return []
    return [
        evaluate(
            recommender,
            own.split.test,
            metrics=metrics,
            top_k=own.config.evaluation.top_k,
            model=name,
            scenario=f"{own.split.kind}/test",
            seed=own.config.evaluation.seed,
        )
        for name, recommender in recommenders.items()
    ]


def _findings(evaluations: list[Evaluation], split: Split) -> dict[str, Any]:
    """Fine-tuned against pretrained: paired tests, and the main metric by history length."""
    if split.test is None:
        return {}
    named = {one.model: one for one in evaluations}
    tuned, pretrained = named[FINE_TUNED], named[PRETRAINED]
    findings: dict[str, Any] = {"comparisons": compare_metrics(tuned, pretrained)}
    main = main_metric(tuned.per_user)
    if main is not None:
        findings["by_history"] = by_history([pretrained, tuned], split.test.source, main)
    return findings
