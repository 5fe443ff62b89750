"""Small datasets and encoders shared by the tests; nothing here touches the network."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(scope="session")
def shop():
    """A shop of 8 series: 192 items, 300 customers."""
    from beekit.quickstart import make_shop

    return make_shop(series=8, customers=300, seed=1)


@pytest.fixture(scope="session")
def shop_folder(shop, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("shop") / "shop"
    shop.save(folder)
    return folder


@pytest.fixture(scope="session")
def shop_dataset(shop_folder):
    from beekit import Dataset

    return Dataset.load(shop_folder, text="{text}")


@pytest.fixture(scope="session")
def encoder_folder(shop, tmp_path_factory) -> Path:
    """A tiny encoder, dropout included, saved."""
    from beekit.quickstart import build_encoder

    folder = tmp_path_factory.mktemp("encoder") / "encoder"
    build_encoder(shop.texts, dims=32, layers=1).save(str(folder))
    return folder


@pytest.fixture
def encoder(encoder_folder):
    from beekit import load_encoder

    return load_encoder(encoder_folder, device="cpu")


@pytest.fixture
def clip():
    """A CLIP of one layer and 16 shared dimensions, of open_clip's parts."""
    from sentence_transformers import SentenceTransformer

    from beekit.encoders.open_clip import OpenCLIP

    tower = {"width": 16, "layers": 1}
    module = OpenCLIP.from_config(
        {
            "embed_dim": 16,
            "vision_cfg": {**tower, "image_size": 16, "head_width": 8, "patch_size": 4},
            "text_cfg": {**tower, "context_length": 16, "heads": 2},
        }
    )
    return SentenceTransformer(modules=[module], device="cpu")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A Hub on this machine, which huggingface_hub's client takes for the real one."""
    monkeypatch.syspath_prepend(Path(__file__).parent / "hub")
    from local_hub import reachable

    with reachable(monkeypatch, tmp_path / "hub") as server:
        yield server


@pytest.fixture
def random_matrix():
    """A function for random binary (users, items) CSR matrices."""

    def make(users: int, items: int, density: float = 0.1, seed: int = 0) -> sp.csr_array:
        generator = np.random.default_rng(seed)
        return sp.csr_array((generator.random((users, items)) < density).astype(np.float32))

    return make


@pytest.fixture(scope="session")
def reference_folder() -> Path:
    """Golden numbers and public datasets, where BEEKIT_REFERENCE names a folder with them."""
    folder = os.environ.get("BEEKIT_REFERENCE")
    if not folder or not Path(folder).is_dir():
        pytest.skip("needs BEEKIT_REFERENCE, a folder with oracle/ and data/")
    return Path(folder)
