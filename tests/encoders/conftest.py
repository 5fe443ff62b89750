"""Tiny vision encoders with random weights, and pictures for them."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from sentence_transformers import SentenceTransformer

from beekit.data.images import ImageColumn


@pytest.fixture(scope="session")
def vit_folder(tmp_path_factory):
    """A ViT of one layer and 16 dimensions on 16 x 16 pixels, as transformers saves it."""
    from transformers import ViTConfig, ViTImageProcessor, ViTModel

    folder = tmp_path_factory.mktemp("vit") / "vit"
    config = ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=16,
        patch_size=4,
        hidden_dropout_prob=0.1,
        attention_probs_dropout_prob=0.1,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
    ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(folder)
    return folder


@pytest.fixture
def vit(vit_folder):
    return SentenceTransformer(str(vit_folder), device="cpu")


def drawn(seed: int, size: tuple[int, int] = (20, 30)) -> Image.Image:
    generator = np.random.default_rng(seed)
    return Image.fromarray(generator.integers(0, 256, (*size, 3), dtype=np.uint8))


def as_png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def column(tmp_path):
    """A function for image columns with embedded bytes; None is a missing picture."""

    def make(files: list[bytes | None]) -> ImageColumn:
        rows = [None if data is None else {"bytes": data, "path": None} for data in files]
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        return ImageColumn(pa.chunked_array([pa.array(rows, kind)]), tmp_path)

    return make


@pytest.fixture
def clip():
    """A CLIP of one layer and 16 shared dimensions, from open_clip's own parts."""
    from beekit.encoders.open_clip import OpenCLIP

    module = OpenCLIP.from_config(
        {
            "embed_dim": 16,
            "vision_cfg": {
                "image_size": 16,
                "layers": 1,
                "width": 16,
                "head_width": 8,
                "patch_size": 4,
            },
            "text_cfg": {
                "context_length": 16,
                "vocab_size": 49408,
                "width": 16,
                "heads": 2,
                "layers": 1,
            },
        }
    )
    return SentenceTransformer(modules=[module], device="cpu")
