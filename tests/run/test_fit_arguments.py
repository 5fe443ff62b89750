"""What models learn from in a comparison: validation users, numbers that they read, and epochs that
an interruption left."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import yaml

from beekit.cli import main
from beekit.models import MultDAE, fit_state
from beekit.run import fit_process
from beekit.run.fit_arguments import FitArguments
from beekit.split import HeldOut

_COSTS = ("seconds", "fit_seconds", "fit_memory_mb")
SETTINGS = {"embedding_dim": 8, "users_per_step": 50, "epochs": 6, "patience": 3}


@pytest.fixture
def configure(tmp_path, shop_folder):
    def write(**changes) -> list[str]:
        content = {
            "data": str(shop_folder),
            "out": str(tmp_path / "run"),
            "split": {"kind": "user", "fraction": 0.2, "validation": 0.2},
            "models": {"MultDAE": SETTINGS, "popularity": None},
            "evaluation": {"metrics": ["ndcg@10"], "top_k": 10},
            **changes,
        }
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return ["evaluate", str(path)]

    return write


def results(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text())


def measured(folder: Path) -> list:
    rows = results(folder)["rows"]
    for row in rows:
        for name in ("seconds", "seconds_to_best"):
            row.get("learning", {}).pop(name, None)
    return [{k: v for k, v in row.items() if k not in _COSTS} for row in rows]


@pytest.mark.parametrize("apart", [False, True])
def test_results_say_which_epoch_out_of_how_many(configure, tmp_path, monkeypatch, apart):
    if apart:
        monkeypatch.setattr(fit_process, "_ITEMS", 0)  # every fit in a process of its own
    assert main(configure()) == 0
    row, popularity = results(tmp_path / "run")["rows"]
    learning = row["learning"]
    assert learning["validated_on"] == "the 60 users of the validation part"
    assert 1 <= learning["best_epoch"] <= learning["epochs"] <= learning["of"] == 6
    assert learning["curve"][learning["best_epoch"] - 1] == learning["value"]
    assert "learning" not in popularity
    items = popularity["parameters"]
    assert row["parameters"] == items * (8 + 1) + items * 8 + 8
    said = f"MultDAE: epoch {learning['best_epoch']} of {learning['epochs']} trained (6 at most)"
    assert any(note.startswith(said) for note in results(tmp_path / "run")["notes"])
    table = (tmp_path / "run" / "table.md").read_text()
    assert said in table
    assert f"{row['parameters']:,}" in table


def test_an_interrupted_fit_goes_on_from_its_last_epoch(configure, tmp_path, monkeypatch):
    assert main(configure(out=str(tmp_path / "undisturbed"))) == 0
    monkeypatch.setattr(fit_state, "_SHARE", np.inf)
    plainly, seen = fit_state.FitState.save, []

    def save(self, reached, state, watch):
        plainly(self, reached, state, watch)
        seen.append(reached.epoch)
        if seen == [1, 2]:
            raise KeyboardInterrupt

    monkeypatch.setattr(fit_state.FitState, "save", save)
    assert main(configure()) == 130
    assert main(configure()) == 0
    assert seen[:3] == [1, 2, 3]
    assert measured(tmp_path / "run") == measured(tmp_path / "undisturbed")
    assert not list((tmp_path / "run").glob(".*"))


def test_repeats_say_how_the_epochs_went_on_average(configure, tmp_path):
    assert main(configure(repeats=2)) == 0
    joint = results(tmp_path / "run")["rows"][0]["learning"]
    each = [results(tmp_path / "run" / "repeats" / n)["rows"][0]["learning"] for n in "12"]
    assert joint["best_epoch"] == np.mean([one["best_epoch"] for one in each])
    assert joint["metric"] == "ndcg@100"
    assert "curve" not in joint


def test_the_test_part_teaches_nothing(shop_dataset, tmp_path):
    """Nothing of it is handed to `fit`: other test interactions give the same model."""
    from beekit import user_split

    split = user_split(shop_dataset.interactions, fraction=0.2, validation_fraction=0.2)
    given = FitArguments.of(MultDAE, split.train, split.validation, tmp_path / "fit")
    assert given.train is split.train
    assert given.validation is split.validation
    for part in (given.train, given.validation.source, given.validation.target):
        assert not np.intersect1d(part.nonzero()[0], split.test.users).size


def test_what_it_learns_from_is_written_and_read(tmp_path, random_matrix):
    X, other = random_matrix(9, 7, 0.4, seed=1), random_matrix(9, 7, 0.4, seed=2)
    X.data[:] = np.arange(X.nnz) + 0.5
    for number, validation in enumerate([None, HeldOut(X, other, np.array([1, 4]))]):
        FitArguments(X, validation, tmp_path / "fit").save(tmp_path / str(number))
        read = FitArguments.load(tmp_path / str(number))
        assert (read.train != X).nnz == 0
        assert read.keep_in == tmp_path / "fit"
        assert (read.validation is None) == (validation is None)
    assert (read.validation.source != X).nnz == 0
    assert (read.validation.target != sp.csr_array(other)).nnz == 0
    assert read.validation.candidates.tolist() == [1, 4]
