"""Adding new items to a fitted model by their content, without training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np

from beekit.models.content_vectors import compared, content_vectors, require_width
from beekit.models.finite_models import require_sound_rows


class GrowsByContent(ABC):
    """A mixin for models with content `vectors` of their items, to which new items can be added."""

    scores_cold_items: ClassVar[bool] = True

    def add_items(self, vectors: np.ndarray) -> Self:
        """Append cold items by their content vectors (new items, content dims).

        Nothing is trained, and the other items stay as they are.

        Raises:
            ConfigError: if the model is not fitted, or if the vectors that the model computes for
                the new items are too large to be multiplied; then nothing is added.
            DataError: if the vectors are not finite, or if they have another number of dimensions
                than the model was fitted with.
        """
        model: Any = self
        model._require_fitted()
        new = content_vectors(vectors)
        require_width(new, model.vectors.shape[1])
        joining = self._vectors_of_new(new)
        what = f"vectors of new items, in {type(model).__name__},"
        again = "Embed the new items again, with the encoder of the known items."
        require_sound_rows(what, joining, again)
        self._join(joining)
        model.vectors = np.concatenate([model.vectors, new])
        return self

    def _vectors_of_new(self: Any, new: np.ndarray) -> np.ndarray:
        """The vectors (new items, dims) that the model ranks by: here centred, scaled content."""
        return compared(new, self.mean, self.normalize)

    @abstractmethod
    def _join(self, joining: np.ndarray) -> None:
        """Append the new items' vectors (new items, dims) to the learnt arrays."""
