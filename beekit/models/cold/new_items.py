"""Items that join a fitted model by their content, without training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from beekit.models.content_vectors import compared, content_vectors, require_width, standardised
from beekit.models.sound import require_sound_additions


def weights_of(network: nn.Module) -> np.ndarray:
    """All weights of a network (weights,) float32, one parameter after the other."""
    with torch.no_grad():
        return nn.utils.parameters_to_vector(network.parameters()).cpu().numpy()


def joining_vectors(model: Any, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of new items as a fitted model keeps them, and as it compares them.

    Args:
        model: with `vectors`, `mean` and `normalize`.
        vectors: (new items, dims).

    Raises:
        DataError: if the vectors are not finite, or if they have another number of dimensions than
            the model was fitted with.
        ConfigError: if the model is not fitted, or if nothing can be ranked by the vectors.
    """
    model.require_fitted()
    new = content_vectors(vectors)
    require_width(new, model.vectors.shape[1])
    joining = compared(new, model.mean, model.normalize)
    require_sound_additions(model, joining)
    return new, joining


def append_items(
    model: Any, network_of: Callable[[int, int], nn.Module], vectors: np.ndarray
) -> None:
    """Append cold items to a fitted model, as if they had been in its catalog from the start.

    Args:
        model: with `vectors`, `warm`, `encoder_weights`, `user_side` and `item_vectors`.
        network_of: dimensions of content and of item vectors to the network from standardised
            content to vectors of cold items, its weights still to be set.
        vectors: (new items, content dims) not standardised.

    Raises:
        DataError: if the vectors are not finite, or if they have another number of dimensions than
            the model was fitted with.
        ConfigError: if the model is not fitted, or if the vectors are so large that nothing can be
            ranked by them; then nothing is added.
    """
    model.require_fitted()
    new = content_vectors(vectors)
    require_width(new, model.vectors.shape[1])
    known = len(model.vectors)
    # Only known items decide the scale, as when the model was fitted.
    reference = model.warm if model.warm.any() else np.ones(known, dtype=bool)
    everything = np.concatenate([model.vectors, new])
    cold = np.zeros(len(new), dtype=bool)
    content = standardised(everything, np.concatenate([reference, cold]))[known:]
    network = network_of(model.vectors.shape[1], model.item_vectors.shape[1]).eval()
    with torch.no_grad():
        nn.utils.vector_to_parameters(torch.from_numpy(model.encoder_weights), network.parameters())
        made = network(torch.from_numpy(content)).numpy()
    require_sound_additions(model, made)
    nothing = np.zeros((len(new), model.user_side.shape[1]), dtype=np.float32)
    model.vectors, model.warm = everything, np.concatenate([model.warm, cold])
    model.user_side = np.concatenate([model.user_side, nothing])
    model.item_vectors = np.concatenate([model.item_vectors, made])
