"""What earlier code wrote still loads: runs, comparisons, kept models, and a pushed repository.

`earlier_files.tar.xz` was written by version 0.1.0 before its parts were moved to where they are
now: small shops, an encoder of one layer, a training (`run`), one on two shops (`joint`), one with
two repeats (`repeated`, the second without its model), a comparison of every model (`table`), what
a push of `run` sent (`pushed`), and what the models and the index answered to eight users
(`answers.json`).
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from beekit import Dataset, ItemIndex
from beekit.cli import main
from beekit.models import load_model, model_names
from beekit.run.comparison import make_comparison
from beekit.run.embeddings import Embeddings, settle_items
from beekit.run.resume import saved_config
from beekit.run_folder import RunFolder

KEPT = ("table", "joint", "repeated", "run")


@pytest.fixture
def earlier(tmp_path, monkeypatch) -> Path:
    """The files, in the current folder."""
    monkeypatch.chdir(tmp_path)
    with tarfile.open(Path(__file__).with_name("earlier_files.tar.xz")) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def test_kept_models_and_index_answer_as_they_did(earlier):
    answers = json.loads((earlier / "answers.json").read_text())
    X = Dataset.load("shop", text="{text}").interactions.matrix[:8]
    table, kinds = RunFolder(earlier / "table"), set()
    for label in table.kept_models():
        model = load_model(table.model_folder(label))
        kinds.add(type(model).__name__)
        items, scores = model.recommend(X, 5)
        np.testing.assert_array_equal(items, answers[label]["items"], label)
        np.testing.assert_allclose(scores, answers[label]["scores"], rtol=1e-5, atol=1e-6)
    later = {"CDAE", "GFCF", "LightGCN", "MultDAE", "MultVAE", "RaCT", "RecVAE", "SVAE", "UltraGCN"}
    later |= {"AutoRec", "BiasedMF", "DeepRec", "RatingPMF", "GlobalMean", "ItemMean", "UserMean"}
    assert kinds == set(model_names()) - later
    items, scores = ItemIndex.load(earlier / "run" / "index").recommend(X, 5)
    np.testing.assert_array_equal(items, answers["index of run"]["items"])
    np.testing.assert_allclose(scores, answers["index of run"]["scores"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", KEPT)
def test_runs_are_read_and_reported(earlier, name):
    assert RunFolder(earlier / name).read_results()["rows"]
    assert main(["report", name]) == 0
    assert (earlier / name / "report.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("name", ["run", "joint", "repeated/repeats/1"])
def test_trainings_are_known_verified_indexed_and_served(earlier, name):
    folder = RunFolder(earlier / name)
    assert saved_config(folder).training["max_steps"] == 2
    assert main(["verify", name]) == 0
    served = f"{name}/datasets/shop" if name == "joint" else name
    assert main(["recommend", served, "--history", "1,2"]) == 0
    if name == "run":
        assert main(["index", name]) == 0
        assert main(["export", name, "--format", "faiss"]) == 0


def test_an_encoder_that_an_earlier_run_trained_is_guarded_and_compared(earlier, capsys):
    (earlier / "c.yaml").write_text(
        "data: shop\nout: again\ntext: '{text}'\nsplit: {fraction: 0.3, seed: 3}\n"
        "evaluation: {metrics: [recall@5], top_k: 5}\n"
        "models: {random: , tuned: {model: ContentBased, run: run}}\n"
    )
    assert main(["evaluate", "c.yaml"]) == 0
    assert main(["evaluate", "c.yaml", "out=leak", "split.seed=4"]) == 2
    assert "holds out" in capsys.readouterr().err


def test_an_earlier_run_is_compared_as_it_read_texts_in_its_training(earlier):
    path = earlier / "run" / "model" / "config_sentence_transformers.json"
    saved = json.loads(path.read_text())
    saved |= {"prompts": {"document": "printer "}, "truncate_dim": 4}
    path.write_text(json.dumps(saved))
    results = json.loads((earlier / "run" / "results.json").read_text())
    results["training"].pop("model_files", None)  # changed on purpose
    (earlier / "run" / "results.json").write_text(json.dumps(results))
    config = make_comparison(
        {
            **{"data": "shop", "out": "again", "text": "{text}"},
            "models": {
                "run": {"model": "ContentBased", "run": "run"},
                "path": {"model": "ContentBased", "encoder": "run/model"},
            },
        }
    )
    entries = config.entries()
    dataset, inputs = settle_items(config, Dataset.load("shop", text="{text}"), entries)
    embeddings = Embeddings(config, dataset, inputs)
    plain = SentenceTransformer("run/model", device="cpu")
    plain.truncate_dim = None
    expected = plain.encode(dataset.catalog.texts, prompt="", normalize_embeddings=True)
    np.testing.assert_allclose(embeddings.of(entries[0]), expected, atol=2e-6)
    assert not embeddings.notes
    assert embeddings.of(entries[1]).shape[1] == 4
    assert "trained with prompt=, read here with prompt=printer " in " ".join(embeddings.notes)


def test_an_earlier_push_is_pulled_and_verified(earlier, hub):
    files = {
        path.relative_to(earlier / "pushed").as_posix(): path.read_bytes()
        for path in (earlier / "pushed").rglob("*")
        if path.is_file()
    }
    hub.create("bee/shop")
    hub.commit("bee/shop", files)
    assert main(["pull", "bee/shop", "--out", "copy", "--data", "shop"]) == 0
    assert main(["verify", "copy"]) == 0
