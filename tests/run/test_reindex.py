"""`beekit index --factory`: another kind of index, measured, and served by `beekit recommend`."""

from __future__ import annotations

import json
import shutil

import pyarrow.parquet as pq
import pytest
import yaml

from beekit.cli import main
from beekit.index import ItemIndex
from beekit.run.config import load_config
from beekit.run_folder import RunFolder
from beekit.split import make_split


@pytest.fixture
def run(tmp_path, shop_folder, shop_dataset, encoder_folder) -> RunFolder:
    """A run as it stands after training, less its index."""
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    content = {
        "data": str(shop_folder),
        "out": str(run.path),
        "encoder": str(encoder_folder),
        "text": "{text}",
    }
    run.config.write_text(yaml.safe_dump(content))
    shutil.copytree(encoder_folder, run.model)
    make_split(shop_dataset.interactions, load_config(run.config).split).save(run.split)
    return run


@pytest.mark.parametrize("factory", ["IVF8,Flat", "HNSW8", "PQ4x4"])
def test_an_index_of_another_kind_is_measured_and_served(run, capsys, factory):
    assert main(["index", str(run.path), "--factory", factory]) == 0
    said = capsys.readouterr().out
    assert f"{factory}: recall@10 " in said
    recall = float(said.partition("recall@10 ")[2].split()[0])
    assert 0.3 < recall <= 1
    assert "ms for a single user" in said
    assert ItemIndex.load(run.index).factory == factory
    assert (run.index / "approximate.faiss").is_file()
    command = ["recommend", str(run.path), "--history", "1,2", "--json"]
    assert main(command) == 0
    items = json.loads(capsys.readouterr().out)
    assert len(items) == 10
    assert not {1, 2} & {item["item_id"] for item in items}
    assert main([*command, "--candidates", "cold"]) == 0
    assert all(item["cold"] for item in json.loads(capsys.readouterr().out))


def test_without_a_factory_the_index_is_exact(run, capsys):
    assert main(["index", str(run.path), "--factory", "HNSW8"]) == 0
    assert main(["index", str(run.path)]) == 0
    assert "Flat: recall@10 1.0000" in capsys.readouterr().out
    assert ItemIndex.load(run.index).factory == "Flat"
    assert not (run.index / "approximate.faiss").exists()


@pytest.mark.parametrize(
    ("factory", "message"),
    [("nonsense", "could not parse"), ("IVF256,Flat", "Use 'IVF4,Flat'"), ("PQ5", "divide")],
)
def test_a_factory_that_will_not_do_exits_with_2(run, capsys, factory, message):
    assert main(["index", str(run.path), "--factory", factory]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in error
    assert not run.index.exists()


def test_items_in_another_order_than_the_vectors_are_refused(run, capsys):
    assert main(["index", str(run.path)]) == 0
    path = run.index / "items.parquet"
    items = pq.read_table(path)
    pq.write_table(items.take(list(reversed(range(len(items))))), path)
    assert main(["recommend", str(run.path), "--history", "1,2"]) == 2
    assert "differ in their items or the order" in capsys.readouterr().err
