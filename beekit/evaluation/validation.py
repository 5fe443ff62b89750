"""Evaluation while training, as sentence-transformers and its Trainer expect it."""

from __future__ import annotations

import numpy as np
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.evaluation import BaseEvaluator

from beekit.encoders import ItemInputs, embed_items
from beekit.evaluation.scoring import evaluate
from beekit.index import ItemIndex
from beekit.split import HeldOut


class HeldOutEvaluator(BaseEvaluator):  # type: ignore[misc]
    """Scores the encoder, as it is at that step, on the validation part of a split.

    Args:
        held_out: the validation part.
        inputs: of the catalog's items.
        metric: the one that selects checkpoints (`load_best_model_at_end`).
    """

    def __init__(
        self, held_out: HeldOut, inputs: ItemInputs, metric: str = "calibrated_recall@20"
    ) -> None:
        super().__init__()
        self.held_out = held_out
        self.inputs = inputs
        self.primary_metric = metric
        # Items that neither a history nor a candidate names need no embedding.
        self.items = np.union1d(held_out.source.indices, held_out.candidates)

    def __call__(
        self,
        model: SentenceTransformer,
        output_path: str | None = None,
        epoch: float = -1,
        steps: int = -1,
    ) -> dict[str, float]:
        """Average of the metric over the part's users, by name."""
        cut = int(self.primary_metric.partition("@")[2])
        embedded = embed_items(model, self.inputs, self.items)
        vectors = np.zeros((len(self.inputs), embedded.shape[1]), dtype=np.float32)
        vectors[self.items] = embedded
        evaluation = evaluate(
            ItemIndex(vectors),
            self.held_out,
            metrics=[self.primary_metric],
            top_k=cut,
            intervals=False,
        )
        return {self.primary_metric: evaluation.metrics[self.primary_metric]["value"]}
