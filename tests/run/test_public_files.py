"""Public files train as they are downloaded, with nothing but the configuration of their page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from public_files import ITEMS, MOMENT, PUBLISHED, TITLES, USERS, uses

from beekit.cli import main
from beekit.data import Dataset
from beekit.run.config import Config, make_config
from beekit.run.dataset import load_dataset

PAGE = Path(__file__).parents[2] / "data_prep" / "README.md"
# What the page leaves to the reader, as small as it can be.
REST = {
    "split": {"kind": "cold_start", "fraction": 0.3},
    "training": {"max_steps": 1, "users_per_step": 20, "items_per_step": 20, "use_cpu": True},
    "evaluation": {"metrics": ["recall@5"], "top_k": 5},
}


def told() -> dict[str, dict]:
    """The configurations of the page, by the folder they read."""
    found = [
        yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.S)
    ]
    return {one["data"]: one for one in found if one["data"] in PUBLISHED}


def test_the_page_shows_every_public_set():
    assert told().keys() == PUBLISHED.keys()


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_public_set_trains_as_it_was_downloaded(name, tmp_path, encoder_folder, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    PUBLISHED[name](tmp_path / name)
    content = {**told()[name], **REST, "encoder": str(encoder_folder), "out": "run"}
    Path("c.yaml").write_text(yaml.safe_dump(content))
    assert main(["train", "c.yaml"]) == 0
    results = json.loads(Path("run/results.json").read_text())
    described = results["dataset"]
    assert described["catalog_items"] == ITEMS
    least = content.get("min_value", 1)
    counted = [use for use in uses() if use[2] >= least]
    if name == "BX-CSV-Dump":  # where a rating of 0 says that nothing was rated
        counted = [use for use in counted if use[0] % 3]
    assert described["interactions"] == len(counted)
    assert described["tables"].keys() == {"interactions", "items"}
    dataset = load_dataset(make_config(content))
    texts = " ".join(dataset.catalog.texts)
    for title in TITLES:
        assert (title.replace("|", "/") if name == "ml-100k" else title) in texts
    stamps = dataset.interactions.timestamps
    if stamps is not None and name != "goodreads-poetry":
        unit = 1000 if name == "amazon-2023" else 1
        assert {stamps.min(), stamps.max()} == {unit * (MOMENT + 60), unit * (MOMENT + 60 * USERS)}


def test_several_sets_of_different_forms_train_in_one_run(tmp_path, encoder_folder, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ("ml-1m", "goodbooks-10k")
    for name in names:
        (tmp_path / name).mkdir()
        PUBLISHED[name](tmp_path / name)
    entries = [
        {k: v for k, v in told()[name].items() if k not in ("out", "encoder", "split", "training")}
        for name in names
    ]
    content = {**REST, "data": entries, "encoder": str(encoder_folder), "out": "run"}
    Path("c.yaml").write_text(yaml.safe_dump(content))
    assert main(["train", "c.yaml"]) == 0
    read = [one["tables"] for one in json.loads(Path("run/results.json").read_text())["datasets"]]
    assert [one["interactions"]["separator"] for one in read] == ["::", ","]
    assert main(["verify", "run"]) == 0


def test_a_comparison_reads_the_same_files_as_a_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ml-100k").mkdir()
    PUBLISHED["ml-100k"](tmp_path / "ml-100k")
    content = {k: v for k, v in told()["ml-100k"].items() if k not in ("training", "encoder")}
    content |= {"split": {"kind": "user"}, "models": ["popularity"], "out": "table"}
    content["evaluation"] = REST["evaluation"]
    Path("c.yaml").write_text(yaml.safe_dump(content))
    assert main(["evaluate", "c.yaml", "columns.value=value"]) == 0
    results = json.loads(Path("table/results.json").read_text())
    assert results["dataset"]["tables"]["items"]["encoding"] == "latin-1"


def test_keys_of_tables_are_set_on_the_command_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ml-latest-small").mkdir()
    PUBLISHED["ml-latest-small"](tmp_path / "ml-latest-small")
    Path("c.yaml").write_text(
        "data: ml-latest-small\nout: o\nmodels: [popularity]\nsplit: {kind: user, users: 8}\n"
    )
    command = ["evaluate", "c.yaml", "interactions=ratings.csv", "items.file=movies.csv"]
    assert main([*command, "columns.user_id=userId"]) == 2
    assert "expected a column item_id. Name it, as in columns: {item_id:" in capsys.readouterr().err
    assert main([*command, "columns={user_id: userId, item_id: movieId}"]) == 0


def test_the_fingerprint_of_a_dataset_does_not_depend_on_its_files(tmp_path):
    folder, other = tmp_path / "ml-latest-small", tmp_path / "other"
    folder.mkdir()
    other.mkdir()
    PUBLISHED["ml-latest-small"](folder)
    rows = list(zip(*uses(), strict=True))
    events = {"user_id": rows[0], "item_id": rows[1], "value": rows[2], "timestamp": rows[3]}
    pq.write_table(
        pa.table({k: list(v) for k, v in events.items()}), other / "interactions.parquet"
    )
    goods = {"item_id": range(1, ITEMS + 1), "title": TITLES}
    pq.write_table(pa.table({k: list(v) for k, v in goods.items()}), other / "items.parquet")
    config = make_config(
        {"out": "o", "encoder": "e", **told()["ml-latest-small"], "text": "{title}"}
    )
    assert isinstance(config, Config)
    raw = load_dataset(config.replace(data=str(folder)))
    assert raw.fingerprint == Dataset.load(other, text="{title}", min_value=4).fingerprint
