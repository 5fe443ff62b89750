"""Fits in a process of their own, and comparisons that survive whatever a model does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
import scipy.sparse as sp
import torch
import yaml
from odd_models import Broken, Forgetful, Hungry, Killed

from beekit.cli import main
from beekit.errors import ConfigError
from beekit.models import EASE, ContentBased, Popularity, model_class
from beekit.run import fit_process
from beekit.run.fit_arguments import FitArguments
from beekit.run.fit_process import FitFailed, fitted_apart, reason_of, worth_a_process


@pytest.fixture
def X(random_matrix):
    return random_matrix(60, 40, 0.15, seed=2)


def test_a_model_comes_back_as_it_was_fitted(X, tmp_path):
    vectors = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    settings = {"centre": True}
    content, files = {"vectors": vectors}, tmp_path / "files"
    model, cost = fitted_apart(ContentBased, settings, content, FitArguments(X), files)
    expected = ContentBased(vectors, centre=True).fit(X)
    np.testing.assert_array_equal(model.recommend(X, 9)[0], expected.recommend(X, 9)[0])
    assert cost.seconds > 0
    assert not (tmp_path / "files").exists()


def test_memory_is_what_the_fit_took_whatever_is_held_here(X, tmp_path):
    held = np.ones(2**26)  # freed memory and held memory of this process are no part of it
    _, much = fitted_apart(Hungry, {}, {}, FitArguments(X), tmp_path / "files")
    del held
    _, little = fitted_apart(Popularity, {}, {}, FitArguments(X), tmp_path / "files")
    # Python itself takes some and gives some back meanwhile: up to 20 MB, as for next to nothing.
    assert little.memory_mb < 20
    assert 300 - 20 < much.memory_mb < 300 + 40


def test_a_system_that_ends_the_process_is_a_reason(X, tmp_path):
    with pytest.raises(FitFailed, match="out of memory"):
        fitted_apart(Killed, {}, {}, FitArguments(X), tmp_path / "files")
    assert not (tmp_path / "files").exists()


def test_what_is_raised_there_is_the_reason_here(X, tmp_path):
    with pytest.raises(FitFailed) as caught:
        fitted_apart(Broken, {}, {}, FitArguments(X), tmp_path / "files")
    assert reason_of(caught.value) == "ValueError: the matrix is odd"
    twice = FitArguments(sp.hstack([X, X]))
    with pytest.raises(FitFailed, match="Raise regularization above 1e-12"):
        fitted_apart(EASE, {"regularization": 1e-12}, {}, twice, tmp_path / "files")


def test_reasons_are_one_line():
    torch_says = "[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory"
    assert reason_of(MemoryError()) == "out of memory"
    assert reason_of(RuntimeError(torch_says)).startswith("out of memory (")
    assert reason_of(torch.OutOfMemoryError("CUDA")) == "out of memory (CUDA)"
    assert reason_of(RuntimeError("std::bad_alloc")) == "out of memory (std::bad_alloc)"
    assert reason_of(KeyError()) == "KeyError"
    assert reason_of(np.linalg.LinAlgError("Singular\nmatrix")) == "LinAlgError: Singular"
    assert reason_of(ConfigError("a", expected="b", remedy="C.")) == "a; expected b. C."


def test_torch_without_memory_is_recognised():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55)
    assert reason_of(caught.value).startswith("out of memory (")


def test_small_fits_and_models_nobody_else_can_import_stay_here():
    class Local(Popularity):
        pass

    large = sp.csr_array((10, 5_000), dtype=np.float32)
    assert worth_a_process(Popularity, large)
    assert not worth_a_process(Popularity, large[:, :4_999])
    assert not worth_a_process(Local, large)


def test_the_process_ends_with_the_one_that_asked_for_it(tmp_path, X):
    sp.save_npz(tmp_path / "X.npz", X)
    code = (
        "import sys, scipy.sparse as sp; from pathlib import Path; "
        "from odd_models import Sleepy; from beekit.run.fit_process import fitted_apart; "
        "from beekit.run.fit_arguments import FitArguments; "
        f"fitted_apart(Sleepy, {{}}, {{}}, FitArguments(sp.load_npz({str(tmp_path / 'X.npz')!r})), "
        f"Path({str(tmp_path / 'files')!r}))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen([sys.executable, "-c", code], env=environment)
    child = _soon(psutil.Process(parent.pid).children)[0]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert _soon(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def _soon(asked):
    for _ in range(600):
        if answer := asked():
            return answer
        time.sleep(0.05)
    raise AssertionError("not in half a minute")


@pytest.fixture
def compare(tmp_path, shop_folder, monkeypatch):
    """Run a comparison with odd models under names beekit knows."""

    def run(models, odd, **changes):
        known = dict(odd)
        known_class = model_class
        monkeypatch.setattr(
            "beekit.models.registry.model_class", lambda name: known.get(name, known_class(name))
        )
        content = {
            "data": str(shop_folder),
            "out": str(tmp_path / "run"),
            "split": {"kind": "user", "fraction": 0.3},
            "models": models,
            "evaluation": {"metrics": ["calibrated_recall@20"], "top_k": 20},
            **changes,
        }
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        code = main(["evaluate", str(path)])
        results = tmp_path / "run" / "results.json"
        return code, json.loads(results.read_text()) if results.is_file() else None

    return run


def test_a_comparison_survives_any_model(compare, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(fit_process, "_ITEMS", 0)  # every fit in a process of its own
    odd = {"EASE": Killed, "SLIM": Broken}
    code, results = compare({"EASE": None, "popularity": None, "SLIM": None}, odd)
    assert code == 0
    assert [row["model"] for row in results["rows"]] == ["popularity"]
    assert results["rows"][0]["fit_memory_mb"] >= 0
    assert [one["reason"] for one in results["left_out"]] == [
        "the system ended its process, most likely out of memory (SIGKILL)",
        "ValueError: the matrix is odd",
    ]
    assert "2 OF 3 MODELS ARE NOT IN THIS TABLE" in capsys.readouterr().out
    assert not (tmp_path / "run" / ".fit").exists()


def test_nothing_stays_of_a_model_that_cannot_be_kept_or_asked(compare, tmp_path, monkeypatch):
    def recommend(self, *args, **kwargs):
        raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes.")

    monkeypatch.setattr("beekit.models.linear.sansa.SANSA.recommend", recommend)
    models = {"popularity": None, "EASE": None, "SANSA": None}
    code, results = compare(models, {"EASE": Forgetful}, save_models=True)
    assert code == 0
    assert [row["model"] for row in results["rows"]] == ["popularity"]
    assert "Input/output error" in results["left_out"][0]["reason"]
    assert results["left_out"][1]["reason"].startswith("out of memory (")
    assert [path.name for path in (tmp_path / "run" / "models").iterdir()] == ["popularity"]
    assert results["rows"][0]["fit_memory_mb"] is None


def test_no_model_left_is_exit_code_2(compare, capsys):
    code, results = compare({"SLIM": None}, {"SLIM": Broken})
    assert (code, results) == (2, None)
    assert "the matrix is odd" in capsys.readouterr().err


def test_an_interrupt_is_no_reason_to_go_on(compare, monkeypatch):
    def fit(self, X):
        raise KeyboardInterrupt

    monkeypatch.setattr(EASE, "fit", fit)
    code, results = compare({"popularity": None, "EASE": None}, {})
    assert (code, results) == (130, None)


def test_a_process_ends_in_peace_wherever_it_is_started(tmp_path, monkeypatch, capfd):
    """No abort at its end, and no file of the working directory in the place of a module."""
    (tmp_path / "secrets.py").write_text("raise ImportError('not the one meant')\n")
    monkeypatch.chdir(tmp_path)
    X = sp.csr_array(np.eye(6, dtype=np.float32) + np.eye(6, k=1, dtype=np.float32))
    model, _ = fitted_apart(EASE, {}, {}, FitArguments(X), tmp_path / "files")
    assert model.recommend(X, 2)[0].shape == (6, 2)
    assert "Fatal" not in capfd.readouterr().err
