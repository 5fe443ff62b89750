"""Rating models that learn in epochs: they stop early by the error on held-out ratings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import scipy.sparse as sp

from beekit.errors import DataError
from beekit.evaluation.rating_metrics import RATING_METRICS
from beekit.evaluation.rating_scoring import evaluate_ratings
from beekit.models.early_stopping import StopsEarly
from beekit.models.ratings.rating_model import RatingModel
from beekit.models.settings import one_of
from beekit.split import HeldOut
from beekit.split.draw import shuffled
from beekit.split.entries import entries, used_items

# With fewer ratings, the best epoch is mostly luck.
_FEWEST_RATINGS = 100


@dataclass(eq=False)
class LearnsRatings(StopsEarly, RatingModel):
    """A rating model that learns in epochs, validated by the error of its predictions.

    If `fit` gets no validation part, a random share of the ratings is held out, whosoever they are;
    with fewer than 100 of these all epochs are trained.

    Args (those of `StopsEarly`, and):
        validation_metric: rmse or mae; the lower, the better. The targets of a validation part
            given to `fit` are the ratings, as in `Split.rated`.
        validation_share: share of the ratings held out if there is no validation part.
    """

    validation_metric: Annotated[str, one_of(*RATING_METRICS)] = field(default="rmse", kw_only=True)

    def _can_be_judged_by(self, validation: HeldOut, X: sp.csr_array) -> bool:
        """Any part with ratings as targets does.

        Raises:
            DataError: if the targets are all ones, and the ratings of X are not.
        """
        if (validation.target.data == 1).all() and (X.data != 1).any():
            raise DataError(
                f"a validation part for {type(self).__name__} whose targets are ones",
                expected="the ratings to be predicted",
                remedy='Take them from Split.rated("validation").',
            )
        return True

    def _validated(self, held_out: HeldOut) -> float:
        metric = self.validation_metric
        found = evaluate_ratings(self, held_out, metrics=[metric], intervals=False)
        return float(found.metrics[metric]["value"])

    def _held_out(self, X: sp.csr_array) -> tuple[sp.csr_array, HeldOut, str] | None:
        count = round(X.nnz * self.validation_share)
        if count < _FEWEST_RATINGS:
            return None
        hidden = np.zeros(X.nnz, dtype=bool)
        hidden[shuffled(X.nnz, getattr(self, "seed", 0) % 2**32)[:count]] = True
        left = entries(X, ~hidden)
        held_out = HeldOut(left, entries(X, hidden), used_items(left))
        return left, held_out, f"{count:,} training ratings held out"
