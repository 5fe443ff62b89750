"""What is trained is what is shipped: runs whose index is the saved model's `encode`."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from sentence_transformers import SentenceTransformer

from beekit import Dataset, ItemIndex, evaluate
from beekit.cli import main
from beekit.encoders.prompts import item_prompt
from beekit.export.libraries import NEEDED
from beekit.export.standalone import embed
from beekit.quickstart import make_shop
from beekit.run.encoder import run_encoder
from beekit.run.resume import saved_config
from beekit.run.serve import Server
from beekit.run_folder import RunFolder
from beekit.split import make_split

sys.path.append(str(Path(__file__).parents[1] / "encoders"))
from zoo import ZOO, joined, save_plain

ONNX = all(importlib.util.find_spec(library) for library in NEEDED["onnx"])


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "shop"
    make_shop(series=3, customers=60, seed=1).save(folder)
    return folder


@pytest.fixture(scope="module")
def texts(shop):
    return Dataset.load(shop, text="{text}").catalog.texts


@pytest.fixture
def train(shop, tmp_path):
    """A function for the run of an encoder's folder, or for what the refusal says."""

    def run(encoder, **keys) -> RunFolder:
        content = {
            **{"data": str(shop), "out": str(tmp_path / "run"), "encoder": str(encoder)},
            **{"text": "{text}", "split": {"fraction": 0.3}, **keys},
            "training": {
                **{"users_per_step": 40, "items_per_step": 40, "max_steps": 1},
                **{"learning_rate": 1e-2, "save_strategy": "no", "disable_tqdm": True},
            },
            "evaluation": {"metrics": ["recall@5"]},
        }
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(content))
        assert main(["train", str(path)]) == 0
        return RunFolder(tmp_path / "run")

    return run


def gap(run: RunFolder, texts) -> float:
    """The largest difference of the index from the saved model's `encode`."""
    model = SentenceTransformer(str(run.model), device="cpu")
    encoded = model.encode(texts, normalize_embeddings=True)
    return float(np.abs(Server.open(run.path).recommender.item_vectors - encoded).max())


def saved(tmp_path, texts, prompt: str) -> Path:
    """A BERT with a default prompt outside of its pooling, and with a `truncate_dim`."""
    folder = tmp_path / "encoder"
    save_plain(folder, [*texts, prompt], "Bert")
    joined(folder, include_prompt=False)
    encoder = SentenceTransformer(
        str(folder),
        **{"prompts": {"search": prompt}, "default_prompt_name": "search", "truncate_dim": 6},
        device="cpu",
    )
    encoder.save(str(folder), create_model_card=False)
    return folder


def test_a_prompt_and_a_cut_are_trained_measured_and_shipped(train, shop, texts, tmp_path, capsys):
    run = train(saved(tmp_path, texts, "search documents : "))
    assert gap(run, texts) < 1e-5
    results = run.read_results()
    training = results["training"]
    assert (training["prompt"], training["truncate_dim"]) == ("search documents : ", 6)
    assert (training["pooling"], training["pooling_source"]) == ("mean", "encoder's own")
    card = run.card.read_text()
    assert '`encode` puts the prompt `"search documents : "` before every text' in card
    assert "the first 6 dimensions" in card
    # What is stated is what an evaluation of `encode`'s vectors gives.
    dataset = Dataset.load(shop, text="{text}")
    split = make_split(dataset.interactions, saved_config(run).split)
    model = SentenceTransformer(str(run.model), device="cpu")
    index = ItemIndex(model.encode(texts, normalize_embeddings=True), dataset.catalog.item_ids)
    found = evaluate(index, split.test, metrics=("recall@5",), seed=0).metrics["recall@5"]
    stated = next(row for row in results["rows"] if row["model"] == "fine-tuned")
    assert found["value"] == pytest.approx(stated["metrics"]["recall@5"]["value"], abs=1e-6)
    assert main(["verify", str(run.path)]) == 0
    assert main(["index", str(run.path)]) == 0
    assert gap(run, texts) < 1e-5
    assert main(["push", str(run.path), "--repo", "user/name", "--dry-run"]) == 0
    capsys.readouterr()
    # Results of a version that did not read it go with an index made without.
    del results["training"]["dtypes"]
    run.results.write_text(json.dumps(results))
    assert item_prompt(run_encoder(run, saved_config(run))) == ""


def test_a_comparison_reads_texts_as_a_training_does(train, shop, texts, tmp_path):
    save_plain(tmp_path / "encoder", [*texts, "a passage : "], "Bert")
    run = train(tmp_path / "encoder", prompt="a passage : ")
    config = {
        **{"data": str(shop), "out": str(tmp_path / "table"), "text": "{text}"},
        **{"split": {"fraction": 0.3}, "prompt": "a passage : "},
        "models": {
            "came": {"model": "ContentBased", "encoder": str(tmp_path / "encoder")},
            "tuned": {"model": "ContentBased", "run": str(run.path)},
        },
        "evaluation": {"metrics": ["recall@5"]},
    }
    (tmp_path / "table.yaml").write_text(yaml.safe_dump(config))
    assert main(["evaluate", str(tmp_path / "table.yaml")]) == 0
    found = {
        row["model"]: row["metrics"]["recall@5"]["value"]
        for folder in (run, RunFolder(tmp_path / "table"))
        for row in folder.read_results()["rows"]
    }
    assert found["came"] == pytest.approx(found["pretrained"], abs=1e-9)
    assert found["tuned"] == pytest.approx(found["fine-tuned"], abs=1e-9)


def test_half_precision_is_stated_and_comes_back_unless_asked_otherwise(train, texts, tmp_path):
    ZOO["bfloat16"](tmp_path / "encoder", texts)
    run = train(tmp_path / "encoder")
    assert run.read_results()["training"]["dtypes"] == {
        **{"encoder": "bfloat16", "training": "float32", "autocast": None, "saved": "bfloat16"}
    }
    assert gap(run, texts) < 2e-2
    assert "Weights came in bfloat16, were trained in float32" in run.card.read_text()
    assert main(["verify", str(run.path)]) == 0


def test_an_assumed_pooling_and_a_prompt_asked_for_are_said(train, texts, tmp_path, caplog):
    save_plain(tmp_path / "encoder", [*texts, "a passage : "], "Bert")
    run = train(tmp_path / "encoder", prompt="a passage : ", dtype="float16")
    training = run.read_results()["training"]
    assert (training["prompt"], training["pooling_source"]) == ("a passage : ", "assumed")
    assert training["dtypes"]["saved"] == "float16"
    assert "says no pooling; mean is assumed" in caplog.text
    assert "(assumed: its folder names no pooling)" in run.card.read_text()
    assert gap(run, texts) < 5e-3


@pytest.mark.skipif(not ONNX, reason="needs pip install 'beekit[onnx]'")
@pytest.mark.parametrize("name", ["StaticEmbedding, normalised", "prompt outside of pooling"])
def test_an_export_reads_texts_as_encode_does(train, texts, tmp_path, name):
    ZOO[name](tmp_path / "encoder", texts)
    run = train(tmp_path / "encoder")
    assert gap(run, texts) < 1e-5
    assert main(["export", str(run.path), "--format", "onnx", "--out", str(tmp_path / "onnx")]) == 0
    exported = embed.Encoder(tmp_path / "onnx", threads=1)
    expected = SentenceTransformer(str(run.model), device="cpu").encode(
        texts, normalize_embeddings=True
    )
    np.testing.assert_allclose(exported.texts(texts), expected, atol=1e-5)
    assert json.loads((tmp_path / "onnx" / "export.json").read_text())["agreement"]
