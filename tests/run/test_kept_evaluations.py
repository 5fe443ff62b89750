"""An interrupted comparison goes on with the next model, and only with what is the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from beekit.cli import main
from beekit.models import EASE, Popularity
from beekit.models.registry import load_model

MODELS = {"popularity": None, "EASE": {"regularization": 50}, "SLIM": {"l1": 0.1}}
_COSTS = ("seconds", "fit_seconds", "fit_memory_mb")


@pytest.fixture
def configure(tmp_path, shop_folder):
    def write(**changes) -> list[str]:
        content = {
            "data": str(shop_folder),
            "out": str(tmp_path / "run"),
            "split": {"kind": "user", "fraction": 0.3},
            "models": MODELS,
            "save_models": True,
            "evaluation": {"metrics": ["ndcg@10", "recall@10", "coverage@10"], "top_k": 10},
            **changes,
        }
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return ["evaluate", str(path)]

    return write


@pytest.fixture
def interrupted(configure, monkeypatch, tmp_path, shop_folder):
    """A comparison that ended in its last model; how often each other one was fitted since."""
    from beekit.models import SLIM

    def fit(self, X):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SLIM, "fit", fit)
        assert main(configure()) == 130
    fits = []
    for kind in (EASE, Popularity):
        plainly = kind.fit
        monkeypatch.setattr(
            kind, "fit", lambda self, X, plainly=plainly: fits.append(self) or plainly(self, X)
        )
    return fits


def measured(folder: Path) -> object:
    results = json.loads((folder / "results.json").read_text())
    rows = [{k: v for k, v in row.items() if k not in _COSTS} for row in results["rows"]]
    return [rows, *(results[key] for key in ("comparisons", "by_history", "by_support"))]


def test_what_was_fitted_is_not_fitted_again_and_the_results_are_the_same(
    interrupted, configure, tmp_path
):
    run = tmp_path / "run"
    assert not (run / "results.json").exists()
    assert main(configure()) == 0
    assert interrupted == []
    assert main([*configure(), f"out={tmp_path / 'whole'}"]) == 0
    assert measured(run) == measured(tmp_path / "whole")
    left = {path.name for path in run.iterdir()}
    assert left == {path.name for path in (tmp_path / "whole").iterdir()}
    assert isinstance(load_model(run / "models" / "EASE"), EASE)


def test_only_what_is_the_same_is_taken(interrupted, configure):
    models = {**MODELS, "EASE": {"regularization": 60}}
    assert main(configure(models=models)) == 0
    assert [type(model) for model in interrupted] == [EASE]


@pytest.mark.parametrize(
    "changes", [{"split": {"kind": "user", "fraction": 0.4}}, {"user_min_support": 3}]
)
def test_another_split_or_dataset_takes_nothing(interrupted, configure, changes):
    assert main(configure(**changes)) == 0
    assert {type(model) for model in interrupted} == {EASE, Popularity}


def test_a_comparison_killed_before_its_report_makes_it(interrupted, configure, tmp_path, capsys):
    run = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("beekit.run.evaluate.write_report", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            main(configure())
    assert (run / "results.json").is_file()
    assert main(configure()) == 0
    assert interrupted == []
    assert (run / "report.html").is_file()
    (run / "report.html").unlink()
    assert main(configure()) == 2  # nothing is kept to make it from
    assert "but no report.html" in capsys.readouterr().err


@pytest.mark.parametrize("place", [".evaluated/EASE/arrays.npz", "models/EASE/arrays.npz"])
def test_what_is_damaged_is_fitted_again(interrupted, configure, tmp_path, place, caplog):
    path = tmp_path / "run" / place
    path.write_bytes(path.read_bytes()[:-9])
    assert main(configure()) == 0
    assert [type(model) for model in interrupted] == [EASE]
    assert "EASE is fitted again" in caplog.text


def test_a_full_disk_ends_it_and_leaves_no_model_out(configure, monkeypatch, capsys, tmp_path):
    def fit(self, X):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(EASE, "fit", fit)
        assert main(configure()) == 2
    assert "the disk is full" in capsys.readouterr().err
    assert main(configure()) == 0
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert "left_out" not in results
    shutil.rmtree(tmp_path / "run")
