"""Tiny models of every vision family, built from configurations; none is downloaded."""

from __future__ import annotations

import numpy as np
import torch
import transformers
from PIL import Image

SIDE = 32
_SIZE = {"height": SIDE, "width": SIDE}
SHAPE = {
    **{"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2},
    **{"intermediate_size": 32, "image_size": SIDE, "patch_size": 8},
}
_CUT = {"size": {"shortest_edge": SIDE}, "crop_size": _SIZE}
# Model type: configuration, model, image processor, their options, tokens before the patches.
VISION = {
    "vit": ("ViTConfig", "ViTModel", "ViTImageProcessor", {"size": _SIZE}, 1),
    "deit": (
        "DeiTConfig",
        "DeiTModel",
        "DeiTImageProcessor",
        {"size": _SIZE, "crop_size": _SIZE},
        2,
    ),
    "clip_vision_model": (*("CLIPVisionConfig", "CLIPVisionModel", "CLIPImageProcessor", _CUT, 1),),
    "dinov2": ("Dinov2Config", "Dinov2Model", "BitImageProcessor", _CUT, 1),
    "dinov2_with_registers": (
        *("Dinov2WithRegistersConfig", "Dinov2WithRegistersModel", "BitImageProcessor", _CUT, 5),
    ),
    "dinov3_vit": (
        *("DINOv3ViTConfig", "DINOv3ViTModel", "DINOv3ViTImageProcessor", {"size": _SIZE}, 1),
    ),
    "siglip_vision_model": (
        *("SiglipVisionConfig", "SiglipVisionModel", "SiglipImageProcessor", {"size": _SIZE}, 0),
    ),
    "siglip2_vision_model": (
        *("Siglip2VisionConfig", "Siglip2VisionModel", "Siglip2ImageProcessor"),
        *({"patch_size": 8, "max_num_patches": 16}, 0),
    ),
}


def random_pictures(count: int = 3, seed: int = 0) -> list[Image.Image]:
    """Noise of various sizes."""
    generator = np.random.default_rng(seed)
    sizes = generator.integers(20, 80, (count, 2))
    return [
        Image.fromarray(generator.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes
    ]


def save_vision(family: str, folder) -> torch.nn.Module:
    """Save a model and its image processor; the model, in inference mode."""
    config, model, processor, options, _ = VISION[family]
    shape = dict(SHAPE)
    if family == "siglip2_vision_model":
        del shape["image_size"]
        shape["num_patches"] = 16
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = getattr(transformers, model)(getattr(transformers, config)(**shape))
    made.save_pretrained(folder)
    getattr(transformers, processor)(**options).save_pretrained(folder)
    return made.eval()


def save_dual(family: str, folder, tokenizer) -> torch.nn.Module:
    """Save CLIPModel or SiglipModel with a processor of both; the model, in inference mode."""
    ends = {
        **{"bos_token_id": tokenizer.cls_token_id, "eos_token_id": tokenizer.sep_token_id},
        "pad_token_id": tokenizer.pad_token_id,
    }
    text = {key: value for key, value in SHAPE.items() if key not in ("image_size", "patch_size")}
    text.update(vocab_size=len(tokenizer), max_position_embeddings=16, **ends)
    options = {"projection_dim": 12} if family == "CLIP" else {}
    config = getattr(transformers, f"{family}Config")(
        text_config=text, vision_config=SHAPE, **options
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = getattr(transformers, f"{family}Model")(config)
    made.save_pretrained(folder)
    size = _CUT if family == "CLIP" else {"size": _SIZE}
    pictures = getattr(transformers, f"{family}ImageProcessor")(**size)
    getattr(transformers, f"{family}Processor")(pictures, tokenizer).save_pretrained(folder)
    return made.eval()
