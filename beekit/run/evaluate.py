"""Several models on one split: one table, with what each cost and which differences are real."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from beekit.data import Dataset
from beekit.data.hub_folder import dataset_folder
from beekit.disk_full import is_disk_full
from beekit.errors import RunError
from beekit.evaluation import (
    Evaluation,
    best_against_others,
    by_history,
    by_support,
    evaluate,
    evaluate_ratings,
)
from beekit.evaluation.comparisons import Evaluated
from beekit.evaluation.rating_scoring import RatingEvaluation
from beekit.folder_lock import alone_in
from beekit.ranking import Model
from beekit.report import write_report, write_tables
from beekit.results import RATING, best_first, compose_results, main_metric
from beekit.run.comparison import VECTORS, Comparison, Entry, metrics_of
from beekit.run.cost import Cost, measured
from beekit.run.dataset import describe, load_dataset
from beekit.run.embeddings import Embeddings, run_behind, settle_items
from beekit.run.environment import environment
from beekit.run.fit_arguments import FitArguments
from beekit.run.fit_process import fitted_apart, reason_of, worth_a_process
from beekit.run.fit_record import record_fit, said_of_epochs
from beekit.run.kept_evaluations import KEPT, Done, KeptEvaluations
from beekit.run.known_items import KnownItems
from beekit.run.leakage import require_unseen
from beekit.run.locations import absolute
from beekit.run.readable import reads_of, require_readable
from beekit.run.resume import lacks_report, made_again, write_config
from beekit.run.settings_source import require_validation, settings_chosen, settings_of_run
from beekit.run.training_history import sources
from beekit.run_folder import RunFolder
from beekit.split import Split, make_split

logger = logging.getLogger(__name__)

# Models shown in figures by history and popularity: more cannot be told apart.
_SHOWN = 6
# In the folder of a run, what a fit in a process of its own reads and writes.
_FIT = ".fit"


def run_comparison(
    config: Comparison, embedded: dict[tuple[str, str], np.ndarray] | None = None
) -> RunFolder:
    """Fit every model on the split's training part, evaluate it on every test part, write it down.

    A model that cannot be fitted, evaluated or saved, whatever the reason, is left out of the table
    and named with its reason under `left_out`; the others go on, but not on a full disk. What an
    interrupted comparison had evaluated is taken from there (`KeptEvaluations`). Large fits run in
    a process of their own (`fitted_apart`), where their memory can be told and a system without any
    ends them alone; of small ones the memory is not stated. An encoder that learnt elsewhere, or
    reads other than it was trained to, is named under `notes`.

    Comparisons that share encoders share `embedded`: embeddings by fingerprint of the dataset and
    encoder, taken from here and added to it.

    Raises:
        BeekitError: if there is a fault that the user can mend, or if no model is left.
    """
    config.require_single()
    config = absolute(config)
    folder = RunFolder(Path(config.out))
    embedded = {} if embedded is None else embedded
    with alone_in(config.out):
        if (folder.path / KEPT).is_dir() and lacks_report(folder, config, folder.report):
            with made_again(folder):  # from what is kept, which is checked
                return _compare_all(config, folder, embedded)
        return _compare_all(config, folder, embedded)


def _compare_all(
    config: Comparison, folder: RunFolder, embedded: dict[tuple[str, str], np.ndarray]
) -> RunFolder:
    entries = config.entries()
    folder.require_unfinished("comparison")
    dataset, split, vectors = _data(config, entries, embedded)
    require_readable({entry.label: entry.kind for entry in entries}, dataset.interactions)
    notes = _learnt_elsewhere(entries, dataset, split)
    chosen = _settings_chosen(config, entries, split)
    if config.task == RATING:
        split.interactions.valued(split.train, "values")  # refused now, not model by model
    metrics = metrics_of(config)
    split.save(folder.split)
    write_config(folder, config)
    kept = KeptEvaluations(folder, config, dataset, split)
    done = {entry.label: one for entry in entries if (one := kept.load(entry)) is not None}
    _remove_models(folder, done)  # of a comparison that was interrupted

    known = KnownItems.of(dataset.catalog, split.training_item_ids)
    rows: list[dict[str, Any]] = []
    tests: list[Evaluated] = []
    left_out: list[dict[str, str]] = []
    for entry in entries:
        earlier, noted = done.get(entry.label), len(vectors.notes)
        # An encoder that cannot be loaded is a mistake to be mended.
        encoder = vectors.encoder(entry) if earlier is None else None
        try:
            if earlier is not None:
                logger.info("%s is there from before the interruption", entry.label)
                evaluations, cost = earlier.evaluations, earlier.cost
                vectors.notes += earlier.notes
            else:
                content = {} if entry.encoder is None else {VECTORS: vectors.of(entry, encoder)}
                encoder = None  # before the fit, which may need its memory
                evaluations, cost = _tried(entry, content, config, split, folder, known, kept)
                kept.save(entry, Done(evaluations, cost, vectors.notes[noted:]))
        except Exception as error:
            shutil.rmtree(folder.model_folder(entry.label), ignore_errors=True)
            if is_disk_full(error):
                raise  # the next model would end so, too
            reason = reason_of(error)
            logger.warning("%s is left out: %s", entry.label, reason)
            logger.debug("%s", entry.label, exc_info=error)
            left_out.append({"model": entry.label, "reason": reason})
            continue
        notes += [f"{entry.label}: {warning}" for warning in cost.warnings]
        if cost.learning is not None:
            notes.append(f"{entry.label}: {said_of_epochs(cost.learning)}")
        tests += [evaluations[part] for part in evaluations if part == "test"]
        for evaluation in evaluations.values():
            rows.append({**evaluation.row(), **_described(entry, cost, chosen)})
            shown = main_metric(evaluation.metrics)
            value = f", {shown} {evaluation.metrics[shown]['value']:.4f}" if shown else ""
            seconds = f"fitted in {cost.seconds:.1f} s, evaluated in {evaluation.seconds:.1f} s"
            logger.info("%s on %s: %s%s", entry.label, evaluation.scenario, seconds, value)
    if not rows:
        found = f"none of {len(entries)} models could be fitted ({left_out[0]['reason']})"
        raise RunError(found, expected="at least one", remedy="See the reason of each above.")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    results = compose_results(
        task=config.task if config.task == RATING else None,
        dataset=describe(dataset, "values" if config.task == RATING else "items"),
        split=split.summary(),
        environment=environment(device),
        rows=rows,
        note=config.note or None,
        notes=notes + vectors.notes or None,
        left_out=left_out or None,
        **_findings(tests, split, metrics),
    )
    folder.write_results(results)
    write_tables(results, folder.path)
    write_report([folder.path], folder.report)
    kept.remove()
    shutil.rmtree(folder.path / _FIT, ignore_errors=True)  # of a killed process
    return folder


def _remove_models(folder: RunFolder, but: Mapping[str, Any]) -> None:
    """Remove the models that are kept in a folder, but for some labels."""
    stay = {folder.model_folder(label).name for label in but}
    for path in folder.models.iterdir() if folder.models.is_dir() else ():
        if path.name not in stay:
            shutil.rmtree(path, ignore_errors=True)


def _data(
    config: Comparison, entries: Sequence[Entry], embedded: dict[tuple[str, str], np.ndarray]
) -> tuple[Dataset, Split, Embeddings]:
    if config.split.own_files:
        dataset, split = config.split.load(dataset_folder(config.data)[0], config.duplicates)
        return dataset, split, Embeddings(config, dataset, {})
    dataset, inputs = settle_items(config, load_dataset(config), entries)
    split = make_split(dataset.interactions, config.split)
    return dataset, split, Embeddings(config, dataset, inputs, embedded)


def _learnt_elsewhere(entries: Sequence[Entry], dataset: Dataset, split: Split) -> list[str]:
    """Refuse encoders that learnt from what is held out here; what to say of the others."""
    notes = []
    for entry in entries:
        run = run_behind(entry)
        if run is not None:
            RunFolder(run).require_not_repeated()
            RunFolder(run).require_as_trained()
            notes += require_unseen(entry.label, sources(run), dataset, split)
    return notes


def _tried(
    entry: Entry,
    content: Mapping[str, np.ndarray],
    config: Comparison,
    split: Split,
    folder: RunFolder,
    known: KnownItems,
    kept: KeptEvaluations,
) -> tuple[dict[str, Evaluation | RatingEvaluation], Cost]:
    """A model fitted, evaluated on every test part, and kept if asked for; all of it or nothing."""
    split = split.read_as("values" if config.task == RATING else reads_of(entry.kind))
    model, cost = _fitted(entry, split, content, folder.path / _FIT, kept.fit_folder(entry))
    parts = [part for part in split.parts if part != "validation"]
    evaluations = {part: _evaluated(model, split, part, entry.label, config) for part in parts}
    if config.save_models:
        known.save_with(model, folder.model_folder(entry.label))
    return evaluations, cost


def _evaluated(
    model: Any, split: Split, part: str, label: str, config: Comparison
) -> Evaluation | RatingEvaluation:
    """A fitted model on a part of the split."""
    asked, metrics = config.evaluation, metrics_of(config)
    named: dict[str, Any] = {"model": label, "scenario": f"{split.kind}/{part}", "seed": asked.seed}
    if config.task == RATING:
        return evaluate_ratings(model, split.rated(part), metrics=metrics, **named)
    held_out = split.parts[part]
    return evaluate(model, held_out, metrics=metrics, top_k=asked.top_k, **named)


def _fitted(
    entry: Entry,
    split: Split,
    content: Mapping[str, np.ndarray],
    files: Path,
    keep_in: Path | None,
) -> tuple[Model, Cost]:
    validation = split.validation
    if validation is not None and reads_of(entry.kind) == "values":
        validation = split.rated("validation")
    arguments = FitArguments.of(entry.kind, split.train, validation, keep_in)
    if worth_a_process(entry.kind, split.train):
        return fitted_apart(entry.kind, entry.settings, content, arguments, files)
    with measured() as cost:
        model = arguments.fit(entry.kind(**entry.settings, **content))
    record_fit(model, cost)
    cost.memory_mb = None  # what earlier models left in this process would be part of it
    return model, cost


def _settings_chosen(config: Comparison, entries: Sequence[Entry], split: Split) -> dict[str, str]:
    """How the settings of each model were chosen, by its label."""
    stated = {f"models.{entry.label}.chosen_on": entry.chosen_on for entry in entries}
    require_validation({"chosen_on": config.chosen_on, **stated}, split)
    chosen = {}
    for entry in entries:
        above = config.chosen_on
        run = run_behind(entry)
        if above is None and run is not None and entry.chosen_on is None:
            # A run's encoder is what its training made it, whatever is scored with it.
            above = settings_of_run(RunFolder(run).read_results(), split)
        chosen[entry.label] = settings_chosen(entry.settings, entry.kind, entry.chosen_on, above)
    return chosen


def _described(entry: Entry, cost: Cost, chosen: Mapping[str, str]) -> dict[str, Any]:
    return {
        "kind": entry.kind.__name__,
        "settings": dict(entry.settings),
        "settings_chosen": chosen[entry.label],
        "fit_seconds": round(cost.seconds, 3),
        "fit_memory_mb": None if cost.memory_mb is None else round(cost.memory_mb, 1),
        **({} if cost.parameters is None else {"parameters": cost.parameters}),
        **({} if cost.learning is None else {"learning": dict(cost.learning)}),
    }


def _findings(
    evaluations: Sequence[Evaluated], split: Split, metrics: Sequence[str]
) -> Mapping[str, Any]:
    """The best model against every other one, and where each gains."""
    main = main_metric(metrics)
    if split.test is None or main is None:
        return {}
    values = {one.model: one.metrics[main]["value"] for one in evaluations}
    best = best_first(values, main)[:_SHOWN]
    shown = sorted((e for e in evaluations if e.model in best), key=lambda e: best.index(e.model))
    ranked = [one for one in shown if isinstance(one, Evaluation)]
    every = split.interactions.matrix
    return {
        "comparisons": best_against_others(evaluations, main),
        "by_history": by_history(shown, split.test.source, main),
        **({"by_support": by_support(ranked, split.test, every, main)} if ranked else {}),
    }
