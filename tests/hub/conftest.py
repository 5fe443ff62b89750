"""Small finished runs to push."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from beekit.cli import main
from beekit.encoders import fuse, load_encoder
from beekit.quickstart import build_image_encoder, make_shop


@pytest.fixture(scope="session")
def trained(tmp_path_factory, shop_folder):
    """A function for a run of two steps, with changes to its configuration."""

    def run(encoder: Path, **changes) -> Path:
        folder = tmp_path_factory.mktemp("trained")
        content = {
            "data": str(shop_folder),
            "out": str(folder / "run"),
            "encoder": str(encoder),
            "cache": str(folder / "cache"),
            "split": {"fraction": 0.2, "seed": 3},
            "training": {
                "users_per_step": 150,
                "items_per_step": 150,
                "max_steps": 2,
                "learning_rate": 1e-2,
                "disable_tqdm": True,
                "eval_strategy": "no",
                "save_strategy": "no",
            },
            "evaluation": {"metrics": ["calibrated_recall@20", "ndcg@50"]},
            **changes,
        }
        (folder / "c.yaml").write_text(yaml.safe_dump(content))
        assert main(["train", str(folder / "c.yaml")]) == 0
        return folder / "run"

    return run


@pytest.fixture(scope="session")
def text_run(trained, encoder_folder) -> Path:
    return trained(encoder_folder, text="{text}")


@pytest.fixture(scope="session")
def image_encoder_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("image_encoder") / "image_encoder"
    build_image_encoder(dims=32, layers=1).save(str(folder))
    return folder


@pytest.fixture(scope="session")
def image_run(trained, image_encoder_folder) -> Path:
    return trained(image_encoder_folder, image="image")


@pytest.fixture(scope="session")
def fused_run(trained, encoder_folder, image_encoder_folder, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fused") / "fused"
    sides = (load_encoder(path, device="cpu") for path in (encoder_folder, image_encoder_folder))
    fuse(*sides).save(str(folder))
    return trained(folder, text="{text}", image="image")


@pytest.fixture(scope="session")
def shops_run(trained, encoder_folder, shop_folder, tmp_path_factory) -> Path:
    """Trained on two shops at once."""
    other = tmp_path_factory.mktemp("other") / "other"
    make_shop(series=8, customers=200, seed=1).save(other)
    return trained(encoder_folder, text="{text}", data=[str(shop_folder), str(other)])
