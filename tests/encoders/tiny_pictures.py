"""Pictures that are drawn on the spot."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def drawn(seed: int, size: tuple[int, int] = (20, 30)) -> Image.Image:
    generator = np.random.default_rng(seed)
    return Image.fromarray(generator.integers(0, 256, (*size, 3), dtype=np.uint8))


def as_png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
