"""Evaluation during training, in the form that the Trainer of sentence-transformers expects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.evaluation import BaseEvaluator

from beekit.encoders import ItemInputs, embed_items
from beekit.errors import ConfigError
from beekit.evaluation.named_metrics import named_metric
from beekit.evaluation.scoring import evaluate
from beekit.index import ItemIndex
from beekit.results import DEFAULT_METRIC
from beekit.split import HeldOut


class HeldOutEvaluator(BaseEvaluator):  # type: ignore[misc]
    """Scores the encoder in its current state on the validation part of a split.

    Args:
        held_out: the validation part.
        inputs: the inputs of the catalog's items.
        metric: the metric that selects checkpoints (`load_best_model_at_end`).
        item_ids: (items,) the caller's ids, for messages.

    Raises:
        ConfigError: if `metric` is not a metric with a cut.
    """

    def __init__(
        self,
        held_out: HeldOut,
        inputs: ItemInputs,
        metric: str = DEFAULT_METRIC,
        item_ids: np.ndarray | None = None,
    ) -> None:
        super().__init__()
        self.held_out = held_out
        self.inputs = inputs
        self.item_ids = item_ids
        self.primary_metric = metric
        self.cut = named_metric(metric).k
        # Only items in histories and candidates need an embedding.
        self.items = np.union1d(held_out.source.indices, held_out.candidates)

    def __call__(self, model: SentenceTransformer, *args: Any, **kwargs: Any) -> dict[str, float]:
        """{name of the metric: its mean over the users of the validation part}.

        Raises:
            EncoderError: if an embedding is not finite, for example because training has diverged.
        """
        embedded = embed_items(model, self.inputs, self.items, item_ids=self.item_ids)
        vectors = np.zeros((len(self.inputs), embedded.shape[1]), dtype=np.float32)
        vectors[self.items] = embedded
        index, metric = ItemIndex(vectors), self.primary_metric
        found = evaluate(index, self.held_out, metrics=[metric], top_k=self.cut, intervals=False)
        return {metric: found.metrics[metric]["value"]}


class MeanEvaluator(BaseEvaluator):  # type: ignore[misc]
    """Scores the encoder on several validation parts: the mean of a metric, and each value.

    The mean has the metric's own name, which `metric_for_best_model` expects.
    `SequentialEvaluator` of sentence-transformers gives it another name.

    Args:
        evaluators: evaluators of one metric, by the name of the dataset they evaluate on.

    Raises:
        ConfigError: if there are no evaluators.
    """

    def __init__(self, evaluators: Mapping[str, HeldOutEvaluator]) -> None:
        super().__init__()
        if not evaluators:
            raise ConfigError(
                "no evaluators", expected="at least one", remedy="Name a validation part."
            )
        self.evaluators = evaluators
        self.primary_metric = next(iter(evaluators.values())).primary_metric

    def __call__(self, model: SentenceTransformer, *args: Any, **kwargs: Any) -> dict[str, float]:
        """The mean under the metric's name, and each value under `{name}_{metric}`."""
        values = {
            name: evaluator(model, *args, **kwargs)[self.primary_metric]
            for name, evaluator in self.evaluators.items()
        }
        named = {f"{name}_{self.primary_metric}": value for name, value in values.items()}
        return {self.primary_metric: float(np.mean(list(values.values()))), **named}
