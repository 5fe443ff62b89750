"""How an encoder preprocesses pictures, as a recipe that Pillow and numpy can follow."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image
from sentence_transformers import SentenceTransformer

from beekit.encoders.pixel_scale import PixelScale, preprocessed
from beekit.export.standalone import embed

# Sizes of the noisy probes: larger and smaller than what encoders take, wide and high, odd.
_PROBES = ((97, 301, 3), (500, 333, 3), (64, 64, 3))
# Steps of 255 that a recipe may be off on average: rounding makes less than half of one.
_ALIKE = 0.5
_BILINEAR, _BICUBIC = int(Image.Resampling.BILINEAR), int(Image.Resampling.BICUBIC)


def describe_pictures(encoder: SentenceTransformer) -> dict[str, Any]:
    """What export.json says of pictures.

    The encoder's settings say what the recipe may be, and probes whether it is that: so settings
    that no recipe can follow need not be known here.

    Returns:
        `shape` (channels, height, width); `recipe`: `resize` to `height` and `width` or so that
        the `shortest_edge` fits, `resample` as Pillow numbers it, `crop` (height, width)
        from the middle, where half an odd margin is rounded as `odd_margins` says ("floor", or
        "round" to even), `rescale`, `mean` and `std` by channel; None where preprocessing is of
        another kind.
    """
    module = encoder[0]
    recipe = _of_open_clip(module) if hasattr(module, "image_transform") else _of_processor(module)
    if recipe is not None and not _fits(encoder, recipe):
        recipe = None
    return {"shape": list(PixelScale.of(encoder).shape), "recipe": recipe}


def _fits(encoder: SentenceTransformer, recipe: dict[str, Any]) -> bool:
    """Whether the encoder does what the recipe says, and nothing besides."""
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
    """By the settings that image processors of transformers share."""
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
