"""Describing an encoder's preprocessing of pictures as a recipe for Pillow and numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image
from sentence_transformers import SentenceTransformer

from beekit.encoders.pixel_scale import PixelScale, preprocessed
from beekit.export.standalone import embed

# Sizes of pictures of noise to compare on: large and small, wide and high, with odd numbers.
_PROBES = ((97, 301, 3), (500, 333, 3), (64, 64, 3))
# The allowed mean difference, in steps of 1/255: rounding causes less than half a step.
_ALIKE = 0.5
_BILINEAR, _BICUBIC = int(Image.Resampling.BILINEAR), int(Image.Resampling.BICUBIC)


def describe_pictures(encoder: SentenceTransformer) -> dict[str, Any]:
    """The entry on pictures in export.json.

    The recipe is made from the encoder's settings and then compared with the encoder on pictures of
    noise. So settings that no recipe can express do not have to be known here.

    Returns:
        `shape` (channels, height, width), and `recipe`, which is None if the preprocessing is of
        another kind. A recipe has `resize`, to `height` and `width` or to a `shortest_edge`;
        `resample`, a number of Pillow; `crop` (height, width) from the middle, where half of an odd
        margin is rounded by `odd_margins` ("floor", or "round" to even); `rescale`; and `mean` and
        `std` for each channel.
    """
    module = encoder[0]
    recipe = _of_open_clip(module) if hasattr(module, "image_transform") else _of_processor(module)
    if recipe is not None and not _fits(encoder, recipe):
        recipe = None
    return {"shape": list(PixelScale.of(encoder).shape), "recipe": recipe}


def _fits(encoder: SentenceTransformer, recipe: dict[str, Any]) -> bool:
    """Whether the recipe gives the encoder's results, up to rounding."""
    draw = np.random.default_rng(0).integers
    probes = [Image.fromarray(draw(0, 256, size, dtype=np.uint8)) for size in _PROBES]
    wanted = preprocessed(encoder, probes).numpy()
    found = [embed.preprocessed(probe, recipe) for probe in probes]
    if any(one.shape != wanted.shape[1:] for one in found):
        return False
    step = np.array(recipe["rescale"]) / np.array(recipe["std"])[:, None, None]
    return bool((np.abs(np.stack(found) - wanted) / step).mean() < _ALIKE)


def _of_open_clip(module: Any) -> dict[str, Any]:
    about = module.model.visual.preprocess_cfg
    size = about["size"]
    height, width = (size, size) if isinstance(size, int) else size
    squash = about.get("resize_mode") == "squash"
    return {
        "resize": {"height": height, "width": width} if squash else {"shortest_edge": height},
        "resample": _BILINEAR if about.get("interpolation") == "bilinear" else _BICUBIC,
        "crop": None if squash else [height, width],
        "odd_margins": "round",
        "rescale": 1 / 255,
        "mean": list(about["mean"]),
        "std": list(about["std"]),
    }


def _of_processor(module: Any) -> dict[str, Any] | None:
    """The recipe from the settings that image processors of transformers share."""
    processor = getattr(module.processor, "image_processor", module.processor)
    size, cut = getattr(processor, "size", None), getattr(processor, "crop_size", None)
    if size is None or getattr(processor, "resample", None) not in (_BILINEAR, _BICUBIC):
        return None
    if size.height and size.width:
        resize = {"height": int(size.height), "width": int(size.width)}
    elif size.shortest_edge:
        resize = {"shortest_edge": int(size.shortest_edge)}
    else:
        return None
    crop = cut if getattr(processor, "do_center_crop", False) else None
    normalises, channels = processor.do_normalize, 3
    return {
        "resize": resize,
        "resample": int(processor.resample),
        "crop": None if crop is None else [int(crop.height), int(crop.width)],
        "odd_margins": "floor",
        "rescale": float(processor.rescale_factor) if processor.do_rescale else 1.0,
        "mean": list(processor.image_mean) if normalises else [0.0] * channels,
        "std": list(processor.image_std) if normalises else [1.0] * channels,
    }
