"""How an encoder's pixels are kept: in 8 bits where its preprocessing leaves no more."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from sentence_transformers import SentenceTransformer

from beekit.errors import EncoderError

# Relative to what a pixel can be, an error that float32 arithmetic makes anyway.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class PixelScale:
    """How an encoder's pixels go into 8 bits and back, found by having it preprocess probes."""

    low: torch.Tensor  # (channels, 1, 1) float32, what black becomes
    high: torch.Tensor  # the same of white
    shape: tuple[int, ...]  # (channels, height, width) of a picture
    exact: bool  # whether 256 steps between the two are all there is
    tokens: int  # what the encoder makes of a picture, patches mostly
    signature: str  # digest of what the probes became: another one, another preprocessing

    @classmethod
    def of(cls, encoder: SentenceTransformer) -> PixelScale:
        """By a black, a white and two noisy pictures, which must become finite pixels of a size."""
        generator = np.random.default_rng(0)
        noise = [generator.integers(0, 256, size, dtype=np.uint8) for size in _PROBES]
        flat = [np.full((64, 64, 3), value, dtype=np.uint8) for value in (0, 255)]
        probes = [Image.fromarray(values) for values in (*flat, *noise)]
        try:
            values = torch.cat([preprocessed(encoder, [probe]) for probe in probes])
        except (ValueError, TypeError, KeyError, RuntimeError, AttributeError) as error:
            raise EncoderError(
                f"the encoder does not take pictures ({' '.join(str(error).split())[:200]})",
                expected="a vision model, whose preprocessing gives pixels of one size",
                remedy="Use an image encoder with `image`, or leave `image` out.",
            ) from error
        if not bool(torch.isfinite(values).all()):
            raise EncoderError(
                "preprocessing that makes pixels NaN or infinite",
                expected="finite pixels",
                remedy="Correct image_std in preprocessor_config.json: no entry may be 0.",
            )
        low, high = (values[i].amin(dim=(1, 2), keepdim=True) for i in (0, 1))
        span = torch.where(high > low, high - low, torch.ones_like(high))
        steps = (values - low) / span * 255
        gap = float((steps - steps.round()).abs().max()) / 255
        within = bool((steps.round() >= 0).all() and (steps.round() <= 255).all())
        return cls(
            low,
            low + span,
            tuple(values.shape[1:]),
            gap < _ROUNDING and within,
            _tokens(encoder, values[:1]),
            hashlib.sha256(values.numpy().tobytes()).hexdigest(),
        )

    @property
    def dtype(self) -> type:
        """Of the numbers kept."""
        return np.uint8 if self.exact else np.float32

    def encode(self, values: torch.Tensor) -> np.ndarray:
        """Pixels as they are kept."""
        if not self.exact:
            return np.asarray(values.numpy(), dtype=np.float32)
        steps = (values - self.low) / (self.high - self.low) * 255
        return np.asarray(steps.round().numpy(), dtype=np.uint8)

    def decode(self, kept: torch.Tensor) -> torch.Tensor:
        """Pixels as the encoder takes them, float32."""
        if not self.exact:
            return kept
        return torch.addcmul(self.low, kept.float() / 255, self.high - self.low)


# Pixels a side of what becomes a token, of a model that does not say.
_USUAL_PATCH = 32
# Sizes of the noisy probes: larger and smaller than what encoders take, wide and high.
_PROBES = ((97, 301, 3), (500, 333, 3))


def preprocessed(encoder: SentenceTransformer, pictures: Sequence[Image.Image]) -> torch.Tensor:
    """(pictures, channels, height, width) float32 by the encoder's own preprocessing."""
    values = encoder.preprocess(list(pictures))["pixel_values"]
    if values.ndim != 4:
        raise ValueError(f"pixel_values of {values.ndim} dimensions")
    return torch.as_tensor(values).float().cpu()


def _tokens(encoder: SentenceTransformer, pixels: torch.Tensor) -> int:
    """Tokens a picture is worth: as the model says, or as many as come out of it."""
    stated = getattr(encoder[0], "image_tokens", None)
    if stated is not None:
        return int(stated)
    with torch.inference_mode():
        features = {"pixel_values": pixels.to(encoder.device), "modality": "image"}
        tokens = encoder(features).get("token_embeddings")
    if tokens is not None:
        return int(tokens.shape[1])
    # Dual encoders of transformers give embeddings alone.
    config = getattr(encoder.config, "vision_config", None) or encoder.config
    patch = getattr(config, "patch_size", None)
    side = patch if isinstance(patch, int) else _USUAL_PATCH
    return max(1, int(pixels.shape[-1]) * int(pixels.shape[-2]) // side**2)
