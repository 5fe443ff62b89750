"""A push sends whole files of the run alone: a broken or foreign one ends it in one line."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file, save_file

from beekit.cli import main
from beekit.index import ItemIndex

WEIGHTS = "model/model.safetensors"
JSON = [
    *("model/config.json", "model/modules.json", "model/tokenizer.json"),
    *("model/tokenizer_config.json", "model/config_sentence_transformers.json"),
]
TABLES = ["split/training_items.parquet", "split/candidates.parquet", "index/items.parquet"]
OF_SPLIT_AND_INDEX = [
    *TABLES,
    *("split/split.json", "split/before.json", "index/index.json", "index/items.faiss"),
]


def line_of_push(run, capsys) -> str:
    capsys.readouterr()
    assert main(["push", str(run), "--repo", "bee/shop", "--dry-run", "--index"]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("beekit: ")]
    return line


@pytest.fixture
def copied(text_run, tmp_path):
    """A copy of a run that notes no digests of its model, as those of earlier versions."""
    run = shutil.copytree(text_run, tmp_path / "run")
    results = json.loads((run / "results.json").read_text())
    results["training"].pop("model_files", None)
    (run / "results.json").write_text(json.dumps(results))
    return run


def test_the_copy_is_pushed_as_it_is_with_a_note_on_its_weights(copied, capsys):
    assert main(["push", str(copied), "--repo", "bee/shop", "--dry-run", "--index"]) == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "no digests" in line]
    assert "it cannot be checked that its weights are those that were evaluated" in line


def test_a_run_that_noted_its_weights_is_pushed_without_that_note(text_run, capsys):
    assert main(["push", str(text_run), "--repo", "bee/shop", "--dry-run"]) == 0
    assert "no digests" not in capsys.readouterr().err


@pytest.mark.parametrize("content", ["empty", "half", "null", "narrow", "nan"])
def test_a_broken_part_of_texts_is_not_sent(copied, capsys, content):
    vectors = ItemIndex.load(copied / "index", gpu=False).item_vectors
    path = copied / "index" / "text_part.npy"
    np.save(path, vectors)
    assert main(["push", str(copied), "--repo", "bee/shop", "--dry-run", "--index"]) == 0
    whole = path.read_bytes()
    broken = {"empty": b"", "half": whole[: len(whole) // 2], "null": b"null"}
    if content in broken:
        path.write_bytes(broken[content])
    else:
        np.save(path, vectors[:, 1:] if content == "narrow" else vectors * np.nan)
    assert "text_part.npy" in line_of_push(copied, capsys)


@pytest.mark.parametrize("content", ["empty", "half", "null"])
@pytest.mark.parametrize("name", [WEIGHTS, *JSON, *OF_SPLIT_AND_INDEX])
def test_a_broken_file_is_not_sent(copied, capsys, name, content):
    whole = (copied / name).read_bytes()
    broken = {"empty": b"", "half": whole[: len(whole) // 2], "null": b"null"}[content]
    (copied / name).write_bytes(broken)
    line_of_push(copied, capsys)


@pytest.mark.parametrize("name", ["model/config.json", "model/tokenizer.json"])
def test_a_model_that_does_not_load_is_not_sent(copied, capsys, name):
    (copied / name).unlink()
    line_of_push(copied, capsys)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_something_else_is_not_sent(copied, capsys, name):
    columns = {"user_id": [1], "item_id": [2], "part": ["a"], "label": ["x"], "cold": [True]}
    pq.write_table(pa.table(columns), copied / name)
    assert f"{name} cannot be read" in line_of_push(copied, capsys)


def test_items_of_an_index_in_another_order_are_not_sent(copied, capsys):
    path = copied / "index" / "items.parquet"
    items = pq.read_table(path)
    pq.write_table(items.take(list(range(len(items)))[::-1]), path)
    assert "other items than index.json" in line_of_push(copied, capsys)


@pytest.mark.parametrize("key", ["kind", "hash"])
def test_another_split_is_not_sent(copied, capsys, key):
    path = copied / "split" / "split.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: "another"}))
    assert f"another {key}" in line_of_push(copied, capsys)


def test_a_model_other_than_the_one_trained_is_not_sent(text_run, tmp_path, capsys):
    run = shutil.copytree(text_run, tmp_path / "run")
    weights = {name: values + 1 for name, values in load_file(run / WEIGHTS).items()}
    save_file(weights, run / WEIGHTS, metadata={"format": "pt"})
    assert "model.safetensors is changed since the model was trained" in line_of_push(run, capsys)
