"""Several models on one split: one table, with what each cost and which differences are real."""

from __future__ import annotations

import dataclasses
import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from beekit.data import Dataset
from beekit.encoders import ItemInputs, embed_items
from beekit.errors import BeekitError, RunError
from beekit.evaluation import Evaluation, best_against_others, by_history, by_support, evaluate
from beekit.evaluation.scoring import usual_metrics
from beekit.ranking import Model
from beekit.report import write_report, write_tables
from beekit.report.meaning import main_metric
from beekit.run.chosen import require_validation, settings_chosen, settings_of_run
from beekit.run.comparison import VECTORS, Comparison, Entry
from beekit.run.cost import Cost, measured
from beekit.run.dataset import describe, load_dataset, load_published
from beekit.run.encoder import encoder_to_compare
from beekit.run.environment import environment
from beekit.run.folder import RunFolder
from beekit.run.inputs import item_inputs
from beekit.run.known_items import KnownItems
from beekit.run.splitting import make_split
from beekit.split import Split, published_split

logger = logging.getLogger(__name__)

# Models shown in figures by history and popularity: more cannot be told apart.
_SHOWN = 6


def run_comparison(config: Comparison) -> RunFolder:
    """Fit every model on the split's training part, evaluate it on every test part, write it down.

    A model that cannot be fitted, for want of memory or of an optional package, is left out of the
    table and named with its reason under `left_out`; the others go on.

    Raises:
        BeekitError: anything about configuration, data or folder a user can mend, or no model left.
    """
    entries = config.entries()
    folder = RunFolder(Path(config.out))
    folder.require_unfinished()
    dataset, split, vectors = _data(config, entries)
    for entry in entries:
        _require_same_split(entry, dataset, split)
    chosen = _settings_chosen(config, entries, split)
    metrics = usual_metrics(config.evaluation.metrics, config.evaluation.top_k)
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.write_config(config)
    split.save(folder.split)
    shutil.rmtree(folder.models, ignore_errors=True)  # of a comparison that was interrupted

    known = KnownItems.of(dataset.catalog, split.training_item_ids)
    rows: list[dict[str, Any]] = []
    tests: list[Evaluation] = []
    left_out: list[dict[str, str]] = []
    for entry in entries:
        content = {} if entry.encoder is None else {VECTORS: vectors.of(entry)}
        try:
            model, cost = _fitted(entry, split, content)
        except (BeekitError, MemoryError, torch.OutOfMemoryError) as error:
            reason = str(error) if isinstance(error, BeekitError) else "out of memory"
            logger.warning("%s is left out: %s", entry.label, reason)
            left_out.append({"model": entry.label, "reason": reason})
            continue
        if config.save_models:
            model.save(folder.model_folder(entry.label))
            known.save(folder.model_folder(entry.label))
        for part in _test_parts(split):
            evaluation = evaluate(
                model,
                split.parts[part],
                metrics=metrics,
                top_k=config.evaluation.top_k,
                model=entry.label,
                scenario=f"{split.kind}/{part}",
                seed=config.evaluation.seed,
            )
            if part == "test":
                tests.append(evaluation)
            rows.append({**evaluation.row(), **_described(entry, cost, chosen)})
            _say(evaluation, cost)
        del model  # before the next one is fitted, so that memory holds one at a time
    if not rows:
        raise RunError(
            f"none of {len(entries)} models could be fitted ({left_out[0]['reason']})",
            expected="at least one",
            remedy="See the reason of each above.",
        )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    folder.write_results(
        {
            "schema": 1,
            "dataset": describe(dataset),
            "split": split.summary(),
            "environment": environment(device),
            "rows": rows,
            **({"note": config.note} if config.note else {}),
            **({"left_out": left_out} if left_out else {}),
            **_findings(tests, split, metrics),
        }
    )
    write_tables(folder.read_results(), folder.path)
    write_report([folder.path], folder.report)
    return folder


def _data(config: Comparison, entries: Sequence[Entry]) -> tuple[Dataset, Split, Embeddings]:
    if config.split.kind == "published":
        dataset, test = load_published(config)
        split = published_split(dataset.interactions, test)
        return dataset, split, Embeddings(dataset, config, entries)
    vectors = Embeddings(load_dataset(config), config, entries)
    dataset = vectors.dataset
    return dataset, make_split(dataset.interactions, config.split), vectors


def _test_parts(split: Split) -> list[str]:
    return [part for part in split.parts if part != "validation"]


def _require_same_split(entry: Entry, dataset: Dataset, split: Split) -> None:
    """Refuse an encoder that may have learnt from what is held out here."""
    if entry.run is None:
        return
    results = RunFolder(Path(entry.run)).read_results()
    read = results.get("training", {})
    for side, here in (("text", dataset.catalog.text), ("image", dataset.catalog.images)):
        if read.get(side) is not None and here is None:
            logger.warning("%s learnt from %s too, and is compared without", entry.run, side)
    for trained in results.get("datasets", [{**results["dataset"], "split": results["split"]}]):
        # Filters and texts change the fingerprint, not what the encoder has seen.
        same = trained["name"] == dataset.name or trained["fingerprint"] == dataset.fingerprint
        if not same or trained["split"]["hash"] == split.hash:
            continue
        raise RunError(
            f"{entry.run} was trained on this dataset under another split",
            expected=f"the split {split.hash[:12]} that is evaluated here",
            remedy="Train it with the same split section and filters, or evaluate it on that one.",
        )


class Embeddings:
    """Embeddings of the catalog, computed once an encoder.

    Attributes:
        dataset: without the items whose pictures cannot be used, so the one to split.
    """

    def __init__(self, dataset: Dataset, config: Comparison, entries: Sequence[Entry]) -> None:
        self.dataset, self.config = dataset, config
        self.known: dict[str, np.ndarray] = {}
        self.inputs: dict[str, ItemInputs] = {}
        if dataset.catalog.images is None:
            return
        for entry in entries:
            encoder = None if entry.encoder is None else self._encoder(entry)
            if encoder is not None and encoder.supports("image"):
                # The same pictures are usable for all encoders: the first that reads any tells.
                self.dataset, inputs = item_inputs(config, dataset, encoder)
                self.inputs[str(entry.encoder)] = inputs
                return

    def of(self, entry: Entry) -> np.ndarray:
        """(items, dims) in the order of the dataset."""
        name = str(entry.encoder)
        if name not in self.known:
            encoder = self._encoder(entry)
            if name not in self.inputs:
                _, self.inputs[name] = item_inputs(self.config, self.dataset, encoder)
            self.known[name] = embed_items(encoder, self.inputs.pop(name), progress=True)
        return self.known[name]

    def _encoder(self, entry: Entry) -> SentenceTransformer:
        # A run's encoder knows how long its texts are.
        config = dataclasses.replace(self.config, max_seq_length=None) if entry.run else self.config
        return encoder_to_compare(config, str(entry.encoder), self.dataset)


def _fitted(entry: Entry, split: Split, content: Mapping[str, np.ndarray]) -> tuple[Model, Cost]:
    with measured() as cost:
        model: Model = entry.kind(**entry.settings, **content).fit(split.train)
    return model, cost


def _settings_chosen(config: Comparison, entries: Sequence[Entry], split: Split) -> dict[str, str]:
    """How the settings of each model were chosen, by its label."""
    stated = {f"models.{entry.label}.chosen_on": entry.chosen_on for entry in entries}
    require_validation({"chosen_on": config.chosen_on, **stated}, split)
    chosen = {}
    for entry in entries:
        above = config.chosen_on
        if above is None and entry.run is not None and entry.chosen_on is None:
            # A run's encoder is what its training made it, whatever is scored with it.
            above = settings_of_run(RunFolder(Path(entry.run)).read_results(), split)
        chosen[entry.label] = settings_chosen(entry.settings, entry.kind, entry.chosen_on, above)
    return chosen


def _described(entry: Entry, cost: Cost, chosen: Mapping[str, str]) -> dict[str, Any]:
    return {
        "kind": entry.kind.__name__,
        "settings": dict(entry.settings),
        "settings_chosen": chosen[entry.label],
        "fit_seconds": round(cost.seconds, 3),
        "fit_memory_mb": round(cost.memory_mb, 1),
    }


def _say(evaluation: Evaluation, cost: Cost) -> None:
    shown = main_metric(evaluation.metrics)
    value = f", {shown} {evaluation.metrics[shown]['value']:.4f}" if shown else ""
    logger.info(
        "%s on %s: fitted in %.1f s, evaluated in %.1f s%s",
        evaluation.model,
        evaluation.scenario,
        cost.seconds,
        evaluation.seconds,
        value,
    )


def _findings(
    evaluations: Sequence[Evaluation], split: Split, metrics: Sequence[str]
) -> Mapping[str, Any]:
    """The best model against every other one, and where each gains."""
    main = main_metric(metrics)
    if split.test is None or main is None:
        return {}
    ordered = sorted(evaluations, key=lambda e: -e.metrics[main]["value"])
    shown = ordered[:_SHOWN]
    return {
        "comparisons": best_against_others(evaluations, main),
        "by_history": by_history(shown, split.test.source, main),
        "by_support": by_support(shown, split.test, split.interactions.matrix, main),
    }
