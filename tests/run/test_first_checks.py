"""A mistake in a configuration or in a path shows before libraries that take seconds are there."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import yaml

from beekit.errors import EncoderError
from beekit.run.first_checks import require_encoder
from beekit.training import BeeFormerTrainingArguments

HEAVY = ("torch", "transformers", "sentence_transformers", "faiss", "matplotlib", "pandas")
HEAVY += ("datasets", "open_clip")

# The arguments of a command with a mistake, and what the line says of it.
MISTAKES = {
    "no such recipe": (["train", "nothing"], "no file and no recipe"),
    "a misspelt key": (["train", "train.yaml", "splt.seed=1"], "Did you mean split?"),
    "a misspelt key of the training": (["train", "train.yaml", "training.sed=1"], "training.seed"),
    "a value of a wrong type": (["train", "train.yaml", "training.seed=x"], "an integer"),
    "a value out of range": (["train", "train.yaml", "training.learning_rate=-1"], "0 or more"),
    "a refused key": (["train", "train.yaml", "training.fsdp=full_shard"], "one process"),
    "a missing package": (["train", "train.yaml", "training.report_to=tensorboard"], "pip install"),
    "a key twice": (["train", "train.yaml", "split.seed=1", "split.seed=2"], "each key once"),
    "no data": (["train", "train.yaml", "data=nowhere"], "no folder nowhere"),
    "no encoder": (["train", "train.yaml", "encoder=./nowhere"], "cannot load the encoder"),
    "an encoder that is none": (["train", "train.yaml", "encoder=data"], "modules.json"),
    "a folder that is taken": (["train", "train.yaml", "out=data"], "holds other files"),
    "a folder below a file": (["train", "train.yaml", "out=train.yaml/run"], "is a file"),
    "a metric": (["train", "train.yaml", "evaluation.metrics=[nothing@5]"], "metric 'nothing@5'"),
    "a split": (["train", "train.yaml", "split.kind=cold"], "expected one of"),
    "no data to evaluate on": (["evaluate", "evaluate.yaml", "data=nowhere"], "no folder nowhere"),
    "no such column in a text": (
        ["train", "train.yaml", "data=tables", "text={title}. {plto}"],
        "names plto; expected columns among title, cover",
    ),
    "no such column of pictures": (
        ["train", "train.yaml", "data=tables", "image=covr"],
        "no column 'covr' in the items table",
    ),
    "a folder without tables": (["train", "train.yaml", "data=empty"], "interactions.parquet or"),
    "no such file of a split": (
        ["evaluate", "evaluate.yaml", "split={kind: published, test: no.parquet}"],
        "no file data/train.parquet",
    ),
    "no run whose model grows": (["index", "nowhere", "--model", "EASE"], "no config.yaml"),
    "no such model": (["evaluate", "evaluate.yaml", "models={ELSAR: null}"], "Did you mean ELSA?"),
    "a misspelt setting": (
        ["evaluate", "evaluate.yaml", "models={ELSA: {epoch: 3}}"],
        "Did you mean models.ELSA.epochs?",
    ),
    "a setting of a wrong type": (
        ["evaluate", "evaluate.yaml", "models={MultVAE: {epochs: many}}"],
        "models.MultVAE.epochs",
    ),
    "a setting out of range": (
        ["evaluate", "evaluate.yaml", "models={mine: {model: RecVAE, dropout: 1.5}}"],
        "expected a number from 0 to below 1",
    ),
    "no encoder to evaluate": (
        ["evaluate", "evaluate.yaml", "models={ContentBased: {encoder: ./nowhere}}"],
        "cannot load the encoder",
    ),
    "no run to evaluate": (
        ["evaluate", "evaluate.yaml", "models={ContentBased: {run: nowhere}}"],
        "no config.yaml in nowhere",
    ),
    "no run to index": (["index", "nowhere"], "nowhere"),
    "no run to ask": (["recommend", "nowhere", "--history", "1"], "no config.yaml in nowhere"),
    "no history": (["recommend", "nowhere", "--history", ","], "at least one item id"),
    "no run to report": (["report", "nowhere"], "no results.json in nowhere"),
    "no run to push": (["push", "nowhere", "--repo", "a/b", "--dry-run"], "nowhere"),
    "no repository": (["push", "nowhere", "--repo", "a", "--dry-run"], "user/name"),
    "a folder to pull into that is there": (["pull", "a/b", "--out", "data"], "exists already"),
    "no run to verify": (["verify", "nowhere"], "no model in nowhere"),
    "no run to export": (["export", "nowhere", "--format", "onnx"], "no config.yaml in nowhere"),
    "no such format": (["export", "nowhere", "--format", "onn"], "one of onnx"),
    "no data to describe": (["describe", "nowhere", "--fields", "x", "--model", "m"], "nowhere"),
    "no such dataset": (["prepare", "nothing"], "no dataset 'nothing'"),
    "a place for the quickstart that is taken": (["quickstart", "--out", "data"], "other files"),
}
_RUN = """
import contextlib, io, json, sys
from beekit.cli import main
said = io.StringIO()
with contextlib.redirect_stderr(said):
    try:
        code = main(sys.argv[1:])
    except SystemExit as stopped:
        code = stopped.code
print(json.dumps([code, said.getvalue(), sorted(sys.modules)]))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("place")
    (place / "data").mkdir()
    for name in ("notes.txt", "interactions.csv", "items.csv"):
        (place / "data" / name).write_text("mine")
    (place / "empty").mkdir()
    (place / "tables").mkdir()
    (place / "tables" / "items.csv").write_text("item_id,title,cover\n1,a,b\n")
    (place / "tables" / "interactions.csv").write_text("user_id,item_id\n1,1\n")
    (place / "encoder").mkdir()
    (place / "encoder" / "modules.json").write_text("[]")
    both = {"data": "data", "out": "run"}
    (place / "train.yaml").write_text(yaml.safe_dump({**both, "encoder": "encoder"}))
    (place / "evaluate.yaml").write_text(yaml.safe_dump({**both, "models": {"EASE": None}}))
    return place


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_shows_before_pytorch_is_imported(mistake, place):
    arguments, expected = MISTAKES[mistake]
    done = subprocess.run(
        [sys.executable, "-c", _RUN, *arguments], cwd=place, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    code, said, modules = json.loads(done.stdout.splitlines()[-1])
    assert code == 2
    (line,) = said.strip().splitlines()
    assert expected in line
    assert not set(HEAVY) & set(modules)
    assert not (place / "run").exists()


def test_an_encoder_may_be_a_name_of_the_hub_or_in_its_cache(tmp_path, monkeypatch):
    monkeypatch.delenv("SENTENCE_TRANSFORMERS_HOME", raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("owner/name", "name"):
        with pytest.raises(EncoderError, match="switched off by HF_HUB_OFFLINE"):
            require_encoder(name)
    (tmp_path / "models--owner--name").mkdir()
    (tmp_path / "models--sentence-transformers--name").mkdir()
    require_encoder("owner/name")
    require_encoder("name")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    require_encoder("other/name")
    require_encoder("open_clip:ViT-B-32/none")
    for path in ("./name", "/no/such/place", "a/b/c", "~/encoder"):
        with pytest.raises(EncoderError, match="no such folder"):
            require_encoder(path)


def test_a_run_is_told_from_its_encoder(tmp_path):
    (tmp_path / "model").mkdir()
    with pytest.raises(EncoderError, match=r"Name the encoder of that run: .*/model"):
        require_encoder(str(tmp_path))


def test_names_that_are_imported_late_are_there():
    assert BeeFormerTrainingArguments.__module__ == "beekit.training.arguments"
