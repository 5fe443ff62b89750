"""The main job through the command line: a complete run folder, and what is done with it."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from beekit.cli import main
from beekit.run.serve import Server
from beekit.run_folder import RunFolder


def write_config(path, shop_folder, encoder_folder, out, **changes):
    content = {
        "data": str(shop_folder),
        "out": str(out),
        "encoder": str(encoder_folder),
        "text": "{text}",
        "split": {"fraction": 0.2, "seed": 3},
        "training": {
            "users_per_step": 150,
            "items_per_step": 150,
            "max_steps": 20,
            "learning_rate": 1e-2,
            "disable_tqdm": True,
        },
        "evaluation": {"metrics": ["calibrated_recall@20", "ndcg@50", "coverage@20"]},
        **changes,
    }
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory, shop_folder, encoder_folder) -> RunFolder:
    folder = tmp_path_factory.mktemp("runs")
    config = write_config(folder / "c.yaml", shop_folder, encoder_folder, folder / "run")
    assert main(["train", str(config)]) == 0
    return RunFolder(folder / "run")


def test_run_folder_is_complete(run):
    names = {path.name for path in run.path.iterdir()}
    assert names == {
        "config.yaml",
        "model",
        "split",
        "checkpoints",
        "index",
        "results.json",
        "report.html",
        "README.md",
    }
    assert not list(run.path.rglob("*.partial"))


def test_results_follow_the_contract(run):
    results = json.loads(run.results.read_text())
    assert results["schema"] == 1
    assert {"name", "users", "items", "interactions", "fingerprint"} <= set(results["dataset"])
    assert {"kind", "hash"} <= set(results["split"])
    rows = {row["model"]: row for row in results["rows"]}
    assert {"random", "popularity", "pretrained", "fine-tuned"} == set(rows)
    for row in rows.values():
        assert {"model", "scenario", "users", "metrics", "seconds", "settings_chosen"} == set(row)
        for value in row["metrics"].values():
            assert value["ci95"][0] <= value["value"] <= value["ci95"][1]
    recall = {name: row["metrics"]["calibrated_recall@20"]["value"] for name, row in rows.items()}
    assert recall["fine-tuned"] > max(recall["random"], recall["popularity"])
    assert len(results["training"]["loss_curve"]) == 20
    assert len(results["training"]["validation_curve"]) == 5


def test_model_is_a_plain_sentence_transformer_with_the_vectors_of_the_index(run, shop_dataset):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(run.model), device="cpu")
    embedded = model.encode(shop_dataset.catalog.texts[:20], normalize_embeddings=True)
    index = Server.open(run.path).recommender
    np.testing.assert_allclose(index.item_vectors[:20], embedded, atol=2e-6)


def test_recommendations_for_a_history(run, capsys):
    assert main(["recommend", str(run.path), "--history", "1,2, 40", "--k", "5", "--json"]) == 0
    items = json.loads(capsys.readouterr().out)
    assert len(items) == 5
    assert not {1, 2, 40} & {item["item_id"] for item in items}
    assert main(["recommend", str(run.path), "--history", "1", "--candidates", "cold"]) == 0
    assert capsys.readouterr().out.count("cold") == 10


def test_recommendations_for_a_file_of_users(run, tmp_path, capsys):
    table = pa.table({"user_id": ["b", "a", "b"], "item_id": [1, 5, 9]})
    pq.write_table(table, tmp_path / "users.parquet")
    command = ["recommend", str(run.path), "--users", str(tmp_path / "users.parquet"), "--json"]
    assert main([*command, "--k", "3"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["user_id"] for line in lines] == ["a", "b"]
    assert all(len(line["items"]) == 3 for line in lines)
    assert main(["recommend", str(run.path), "--history", "1,9", "--json", "--k", "3"]) == 0
    assert json.loads(capsys.readouterr().out) == lines[1]["items"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--history", "1,999999"], "no item 999999"),
        (["--history", "1,abc"], "no item abc"),
        (["--history", ","], "at least one item id"),
        (["--history", " , ,"], "at least one item id"),
        (["--history="], "at least one item id"),
        (["--history", "²"], "no item ²"),
        (["--history", "٣"], "no item ٣"),
        (["--history", "1,½,Ⅳ"], "no item ½, Ⅳ"),
        (["--history", "12345678901234567890"], "no item 12345678901234567890"),
        (["--history", "9" * 5000], "no item 999"),
        (["--history=--5"], "no item --5"),
        (["--history=-"], "no item -"),
        (["--history", "1,1.0"], "no item 1.0"),
        (["--history", "1", "--k", "0"], "k=0"),
        (["--history", "1", "--candidates", "warm"], "expected cold or all"),
        (["--history", "1", "--k", "-1"], "k=-1"),
        (["--users", "nowhere.csv"], "no file nowhere.csv"),
    ],
)
def test_wrong_requests_exit_with_2(run, capsys, arguments, message):
    assert main(["recommend", str(run.path), *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error


@pytest.mark.parametrize("item", ["²", "--5", "12345678901234567890", "1.5", "x", '""', "-0x1"])
def test_a_file_of_odd_ids_exits_with_2(run, tmp_path, capsys, item):
    (tmp_path / "users.csv").write_text(f"user_id,item_id\n1,1\n²,{item}\n", encoding="utf-8")
    assert main(["recommend", str(run.path), "--users", str(tmp_path / "users.csv")]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("beekit: ")
    assert "\n" not in error


def test_repeated_ids_and_spaces_change_nothing_and_lists_end_with_the_items(run, capsys):
    lists = []
    for history in ("1,2", " 2 ,1,,1, 2,", "001,2"):
        ask = ["recommend", str(run.path), "--history", history, "--json", "--k", str(10**18)]
        assert main(ask) == 0
        lists.append(json.loads(capsys.readouterr().out))
    assert lists[0] == lists[1] == lists[2]
    assert len(lists[0]) == 190


def test_a_new_item_is_indexed_cold_and_recommendable(run, shop, tmp_path, capsys):
    moved = RunFolder(tmp_path / "run")
    shutil.copytree(run.path, moved.path)
    shop.save(tmp_path / "shop")
    items = pq.read_table(tmp_path / "shop" / "items.parquet")
    like = items.slice(0, 1).to_pylist()[0]
    new = pa.Table.from_pylist([{**like, "item_id": 7777}], schema=items.schema)
    pq.write_table(pa.concat_tables([items, new]), tmp_path / "shop" / "items.parquet")
    config = yaml.safe_load(moved.config.read_text())
    moved.config.write_text(yaml.safe_dump({**config, "data": str(tmp_path / "shop")}))
    assert main(["index", str(moved.path)]) == 0
    capsys.readouterr()
    before, after = Server.open(run.path), Server.open(moved.path)
    assert after.items.cold.sum() == before.items.cold.sum() + 1
    assert (
        main(["recommend", str(moved.path), "--history", "1", "--candidates", "cold", "--json"])
        == 0
    )
    assert json.loads(capsys.readouterr().out)[0]["item_id"] == 7777


def test_report_of_two_runs(run, tmp_path, capsys):
    out = tmp_path / "both.html"
    assert main(["report", str(run.path), str(run.path), "--out", str(out)]) == 0
    assert out.read_text().startswith("<!")


def test_a_finished_run_is_not_overwritten(run, capsys):
    before = run.results.read_bytes()
    assert main(["train", str(run.config)]) == 2
    assert "holds a finished run" in capsys.readouterr().err
    assert run.results.read_bytes() == before


def test_an_unfinished_run_goes_on_and_ends_the_same(run, shop_folder, tmp_path, capsys):
    again = RunFolder(tmp_path / "run")
    shutil.copytree(run.path, again.path)
    again.results.unlink()
    shutil.rmtree(again.model)
    (again.checkpoints / "checkpoint-20").rename(tmp_path / "last")
    items = dict(pq.read_table(shop_folder / "items.parquet").to_pydict())
    items["text"][0] += " new"
    changed = tmp_path / "changed"
    shutil.copytree(shop_folder, changed)
    pq.write_table(pa.table(items), changed / "items.parquet")
    command = ["train", str(run.config), f"out={again.path}", f"data={changed}"]
    assert main(command) == 2
    assert "another data;" in capsys.readouterr().err
    saved = again.config.read_text()
    again.config.write_text(yaml.safe_dump({**yaml.safe_load(saved), "data": str(changed)}))
    assert main(command) == 2
    assert "another dataset or split;" in capsys.readouterr().err
    again.config.write_text(saved)
    other = ["train", str(run.config), f"out={again.path}", "training.learning_rate=1e-3"]
    assert main(other) == 2
    assert "training.learning_rate" in capsys.readouterr().err
    assert main(["train", str(run.config), f"out={again.path}"]) == 0
    name = "model.safetensors"
    assert (again.model / name).read_bytes() == (run.model / name).read_bytes()


def test_a_run_killed_after_its_last_checkpoint_trains_no_further(run, tmp_path):
    again = RunFolder(tmp_path / "run")
    shutil.copytree(run.path, again.path)
    again.results.unlink()
    shutil.rmtree(again.model)
    assert main(["train", str(run.config), f"out={again.path}"]) == 0
    name = "model.safetensors"
    assert (again.model / name).read_bytes() == (run.model / name).read_bytes()
    first, second = run.read_results(), again.read_results()
    assert first["training"]["loss_curve"] == second["training"]["loss_curve"]
    assert second["training"]["steps"] == 20


def test_a_folder_with_other_files_is_left_alone(tmp_path, shop_folder, encoder_folder, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("x")
    config = write_config(tmp_path / "c.yaml", shop_folder, encoder_folder, tmp_path / "run")
    assert main(["train", str(config)]) == 2
    assert "other files" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("kind", ["user", "none"])
def test_other_splits_train_too(tmp_path, shop_folder, encoder_folder, kind):
    config = write_config(
        tmp_path / "c.yaml",
        shop_folder,
        encoder_folder,
        tmp_path / "run",
        split={"kind": kind},
        training={"max_steps": 1, "disable_tqdm": True, "bf16": "auto"},
    )
    assert main(["train", str(config)]) == 0
    results = RunFolder(tmp_path / "run").read_results()
    assert results["split"]["kind"] == kind
    assert bool(results["rows"]) == (kind == "user")
    saved = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert isinstance(saved["training"]["bf16"], bool)
