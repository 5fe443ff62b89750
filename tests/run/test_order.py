"""Order on its one way: from a column of the dataset to the split, the fit, and what is served."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import yaml

from beekit import Dataset
from beekit.cli import main

ITEMS = 12
SVAE = {
    **{"item_dim": 8, "state_dim": 16, "hidden_dim": 16, "embedding_dim": 8, "beta": 0.01},
    **{"next_items": 1, "epochs": 30, "users_per_step": 20, "learning_rate": 0.01, "patience": 0},
}


@pytest.fixture(scope="module")
def ring(tmp_path_factory):
    """Users who walk along a ring of items; `place` counts their steps from 0."""
    generator = np.random.default_rng(0)
    rows = []
    for user in range(150):
        start, length = generator.integers(ITEMS), generator.integers(4, 8)
        rows += [(user, f"i{(start + step) % ITEMS}", step) for step in range(length)]
    generator.shuffle(rows)
    folder = tmp_path_factory.mktemp("ring") / "ring"
    folder.mkdir()
    events = pd.DataFrame(rows, columns=["user_id", "item_id", "place"])
    events.astype({"user_id": int, "place": int}).to_csv(folder / "interactions.csv", index=False)
    titles = [{"item_id": f"i{item}", "title": f"number {item}"} for item in range(ITEMS)]
    pd.DataFrame(titles).to_csv(folder / "items.csv", index=False)
    return folder


@pytest.fixture
def configure(ring, tmp_path):
    def write(**changes) -> list[str]:
        content = {
            "data": str(ring),
            "columns": {"timestamp": "place"},
            "out": str(tmp_path / "run"),
            "split": {"kind": "user", "fraction": 0.2, "source": "first"},
            "models": {"popularity": None, "SVAE": SVAE},
            "save_models": True,
            "evaluation": {"metrics": ["recall@1"], "top_k": 2},
            **changes,
        }
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump({k: v for k, v in content.items() if v is not None}))
        return ["evaluate", str(path)]

    return write


def test_places_in_a_history_are_an_order_as_times_are(ring):
    X = Dataset.load(ring, columns={"timestamp": "place"}).interactions
    read = X.valued(X.matrix, "order")
    assert X.timestamps.min() == 0
    np.testing.assert_array_equal(read.data, X.timestamps + 1)


def test_what_comes_next_is_found_and_served(configure, tmp_path, capsys):
    assert main(configure()) == 0
    run = str(tmp_path / "run")
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["split"]["settings"]["source"] == "first"
    found = {row["model"]: row["metrics"]["recall@1"]["value"] for row in results["rows"]}
    assert found["SVAE"] > 0.6 > 2 * found["popularity"]

    def recommended(*asked: str) -> list[str]:
        capsys.readouterr()
        assert main(["recommend", run, "--model", "SVAE", "--k", "1", "--json", *asked]) == 0
        said = capsys.readouterr().out.strip()
        if asked[0] == "--history":
            return [item["item_id"] for item in json.loads(said)]
        return [json.loads(line)["items"][0]["item_id"] for line in said.splitlines()]

    assert recommended("--history", "i4,i5,i6") == ["i7"]
    users = tmp_path / "users.csv"
    users.write_text("user_id,item_id,place\n1,i6,2\n1,i5,1\n1,i4,0\n2,i9,3\n2,i8,2\n")
    assert recommended("--users", str(users)) == ["i7", "i10"]


def test_users_without_times_are_refused_for_a_model_of_order_alone(configure, tmp_path, capsys):
    assert main(configure()) == 0
    users = tmp_path / "users.csv"
    users.write_text("user_id,item_id\n1,i6\n1,i5\n")
    asked = ["recommend", str(tmp_path / "run"), "--users", str(users), "--model"]
    assert main([*asked, "popularity"]) == 0
    capsys.readouterr()
    assert main([*asked, "SVAE"]) == 2
    said = capsys.readouterr().err
    assert "users.csv" in said
    assert "timestamp" in said
    assert len(said.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"columns": None}, "models.SVAE (SVAE), which reads order, and interactions without"),
        ({"columns": {"timestamp": "user_id"}}, "several"),
        ({"columns": None, "split": {"kind": "user", "source": "first"}}, "without timestamps"),
    ],
)
def test_data_without_order_are_refused_before_anything_is_fitted(
    configure, tmp_path, capsys, caplog, changes, said
):
    usual = {"split": {"kind": "user", "fraction": 0.2}}
    assert main(configure(**{**usual, **changes})) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert "popularity on" not in caplog.text + error
    assert not (tmp_path / "run" / "results.json").exists()


def test_times_that_are_all_equal_are_no_order(configure, ring, tmp_path, capsys):
    events = pd.read_csv(ring / "interactions.csv").assign(timestamp=5)
    folder = tmp_path / "alike"
    folder.mkdir()
    events.to_csv(folder / "interactions.csv", index=False)
    pd.read_csv(ring / "items.csv").to_csv(folder / "items.csv", index=False)
    split = {"kind": "user", "fraction": 0.2}
    assert main(configure(data=str(folder), columns=None, split=split)) == 2
    said = "models.SVAE (SVAE), which reads order, and timestamps that are equal for each user"
    assert said in capsys.readouterr().err
