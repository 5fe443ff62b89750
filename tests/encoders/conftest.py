"""Tiny vision encoders with random weights, and pictures for them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from sentence_transformers import SentenceTransformer

from beekit.data.image_column import ImageColumn
from beekit.data.tables import read_table


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


@pytest.fixture
def column(tmp_path):
    """A function for image columns with embedded bytes; None is a missing picture."""

    def make(files: list[bytes | None]) -> ImageColumn:
        rows = [None if data is None else {"bytes": data, "path": None} for data in files]
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        pq.write_table(pa.table({"image": pa.array(rows, kind)}), folder / "items.parquet")
        return ImageColumn.of(read_table(folder, "items", id_columns=()), "image", folder)

    return make
