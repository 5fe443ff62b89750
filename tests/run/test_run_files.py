"""A broken file of a run ends every command that reads it in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from beekit.cli import main
from beekit.encoders import load_encoder
from beekit.errors import ConfigError, EncoderError, RunError
from beekit.hub import render_card
from beekit.index import ItemIndex
from beekit.run.config import make_config
from beekit.run.repeats import _claim, _of_repeat
from beekit.run.resume import write_config
from beekit.run.serve import least_value
from beekit.run_files import read_parquet, read_yaml
from beekit.run_folder import RunFolder, require_own_place, require_same_run

CARDS = Path(__file__).parents[2] / "hub_cards"


@pytest.mark.parametrize("content", ["", '{"schema": 1', '{"schema": 1}', "[]", "\x00\xff"])
@pytest.mark.parametrize("command", ["report", "push"])
def test_broken_results_end_in_one_line(tmp_path, capsys, content, command):
    (tmp_path / "results.json").write_text(content)
    (tmp_path / "config.yaml").write_text("data: x\nencoder: y\n")
    more = ["--repo", "user/name", "--dry-run"] if command == "push" else []
    assert main([command, str(tmp_path), *more]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "results.json cannot be read" in line


def results_of(*, repeats: int = 0) -> dict[str, Any]:
    """What a finished run writes to `results.json`, or a job with repeats."""
    more = {"spread": 0.01, "values": [0.1] * repeats} if repeats else {}
    metric = {"value": 0.1, "ci95": [0.05, 0.15], **more}
    pair = {"metric": "recall@5", "first": "fine-tuned", "second": "pretrained", "difference": 0.1}
    over = {"scenario": "cold_start/test", "ci95": [0.0, 0.2], "held": 2, "repeats": repeats}
    part = {"users": 9, "targets": 9, "candidates": 9}
    about = {"metric": "recall@5", "scenario": "cold_start/test"}
    both = ["fine-tuned", "pretrained"]
    results: dict[str, Any] = {
        "schema": 1,
        "dataset": {
            **{"name": "shop", "users": 9, "items": 9, "interactions": 9, "fingerprint": "ab" * 32}
        },
        "split": {"kind": "cold_start", "hash": "cd" * 32, "settings": {}, "test": part},
        "environment": {"beekit": "0.1.0"},
        "rows": [
            {
                **{"model": model, "scenario": "cold_start/test", "users": 9},
                "metrics": {"recall@5": dict(metric)},
            }
            for model in both
        ],
        "comparisons": [{**pair, **(over if repeats else {})}],
    }
    if repeats:
        folders = [f"repeats/{number + 1}" for number in range(repeats)]
        seeds, splits = list(range(repeats)), ["cd" * 32] * repeats
        results["repeats"] = {
            **{"count": repeats, "seeds": seeds, "splits": splits, "folders": folders}
        }
        results["order"] = [{**about, "models": both, "same": True, "swaps": []}]
        return results
    training = {
        **{"encoder": "e", "steps": 2, "users_per_step": 2, "items_per_step": 2, "seed": 1},
        **{"optimizer": "adamw", "scheduler": "linear", "learning_rate": 0.1, "base_models": []},
        **{"loss_curve": [[1, 0.5]]},
    }
    near = {"item_id": "2", "label": "b", "score": 0.5, "together": 1}
    seen = {"item_id": "1", "label": "a", "users": 2, "before": [near], "after": [near]}
    bins = [{"low": 1, "high": 2, "users": 9, "models": {"pretrained": {"value": 0.1}}}]
    history = {"metric": "recall@5", "bins": bins}
    return {**results, "training": training, "by_history": history, "neighbours": [seen]}


# Of a run where it matters, and what no run writes there; ... takes the key away.
MISFITS = [
    *[(0, place, ...) for place in ("dataset.name", "dataset.fingerprint", "environment")],
    *[(0, f"dataset.{key}", value) for key in ("name", "fingerprint") for value in ([], None, 5)],
    *[(0, f"dataset.{key}", value) for key in ("users", "items", "interactions") for value in "x"],
    *[(0, "split.test", value) for value in (..., None, [], {})],
    *[(0, f"split.{key}", 5) for key in ("kind", "hash", "settings")],
    *[(0, "environment", value) for value in (None, [], "x")],
    *[(0, "rows.0.metrics", value) for value in (None, [], {}, {"recall@5": None})],
    *[(0, "rows.0.metrics.recall@5.value", value) for value in (..., None, "x", True, 10**400)],
    *[(0, "rows.1.metrics.recall@5.ci95", value) for value in (..., None, [], [0.1], ["a", "b"])],
    *[(0, f"rows.0.{key}", value) for key in ("model", "scenario", "users") for value in (..., [])],
    *[(0, "comparisons", value) for value in (None, {}, [None], [{}])],
    *[(0, f"comparisons.0.{key}", ...) for key in ("metric", "first", "second", "difference")],
    *[(0, "training.base_models", value) for value in (None, "x", [5])],
    *[(0, f"training.{key}", ["x"]) for key in ("encoder", "steps", "loss_curve", "model_files")],
    *[(0, f"by_history.{key}", ...) for key in ("metric", "bins")],
    *[(0, f"neighbours.0.{key}", ...) for key in ("item_id", "label", "users")],
    *[(0, "neighbours.0.before.0.score", value) for value in (..., "x", None)],
    *[(0, key, 5) for key in ("note", "notes", "left_out", "datasets")],
    *[(2, "repeats", value) for value in (None, [], {}, 5)],
    *[(2, f"repeats.{key}", value) for key in ("seeds", "splits") for value in (..., [], None)],
    *[(2, "repeats.count", value) for value in (..., 0, 3, "2", None)],
    *[(2, "repeats.folders", value) for value in (..., ["repeats/1"], [1, 2])],
    *[(2, "order", value) for value in (..., None, [{}])],
    *[(2, "order.0.models", value) for value in ([], ["another"], None)],
    *[(2, f"rows.0.metrics.recall@5.{key}", ...) for key in ("spread", "values")],
    *[(2, "rows.0.metrics.recall@5.values", [0.1]), (2, "comparisons", ...)],
]


def with_value(content: Any, place: str, value: Any) -> None:
    """Put a value where dots and numbers lead; ... takes away what is there."""
    *above, last = place.replace("recall@5", "recall_at_5").split(".")
    keys = [key.replace("_at_", "@") for key in (*above, last)]
    for key in keys[:-1]:
        content = content[int(key) if isinstance(content, list) else key]
    key = int(keys[-1]) if isinstance(content, list) else keys[-1]
    if value is ...:
        del content[key]
    else:
        content[key] = value


@pytest.mark.parametrize(("repeats", "place", "value"), MISFITS)
@pytest.mark.parametrize("command", ["report", "push", "verify"])
def test_results_of_another_shape_end_in_one_line(tmp_path, capsys, command, repeats, place, value):
    results = results_of(repeats=repeats)
    with_value(results, place, value)
    (tmp_path / "results.json").write_text(json.dumps(results))
    (tmp_path / "config.yaml").write_text("data: shop\nencoder: e\nout: o\n")
    (tmp_path / "model").mkdir()
    more = ["--repo", "user/name", "--dry-run"] if command == "push" else []
    assert main([command, str(tmp_path), *more]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "results.json cannot be read (wrong or missing values at " in line
    assert place.split(".")[0] in line or "rows" in line


@pytest.mark.parametrize("repeats", [0, 2])
def test_results_as_they_are_written_are_read_and_reported(tmp_path, repeats):
    (tmp_path / "results.json").write_text(json.dumps(results_of(repeats=repeats)))
    assert RunFolder(tmp_path).read_results() == results_of(repeats=repeats)
    assert main(["report", str(tmp_path)]) == 0


def test_an_integer_that_no_float_holds_is_reported_as_missing(tmp_path):
    results = results_of()
    results["split"]["train"] = {"interactions": 10**400}
    (tmp_path / "results.json").write_text(json.dumps(results))
    assert main(["report", str(tmp_path)]) == 0


@pytest.mark.parametrize("path", sorted(CARDS.glob("*.results.json")), ids=lambda path: path.name)
def test_published_results_are_read(tmp_path, path):
    shutil.copy(path, tmp_path / "results.json")
    assert RunFolder(tmp_path).read_results()["rows"]


def test_half_a_character_is_refused(tmp_path):
    (tmp_path / "results.json").write_text(json.dumps({**results_of(), "note": "\ud800"}))
    with pytest.raises(RunError, match="cannot be read"):
        RunFolder(tmp_path).read_results()


@pytest.mark.parametrize("key", ["optimizer", "seed", "users_per_step"])
def test_a_card_of_a_training_that_says_too_little_is_refused(key):
    results = results_of()
    del results["training"][key]
    with pytest.raises(RunError, match=f"results without training.{key}"):
        render_card(results)


@pytest.mark.parametrize("read", [read_yaml, lambda path: read_parquet(path, ("item_id",))])
@pytest.mark.parametrize("content", ["", "a: [", "PAR1"])
def test_broken_yaml_and_parquet_are_a_run_error(tmp_path, read, content):
    (tmp_path / "file").write_text(content)
    with pytest.raises(RunError, match="cannot be read"):
        read(tmp_path / "file")


def test_a_project_with_a_configuration_and_datasets_is_no_training(tmp_path):
    (tmp_path / "datasets" / "ml1m").mkdir(parents=True)
    (tmp_path / "config.yaml").write_text("data: datasets/ml1m\n")
    assert RunFolder(tmp_path).kind is None
    require_own_place(tmp_path / "runs" / "pulled")


def test_a_repeat_begun_with_another_precision_is_told_in_one_line(tmp_path):
    config = make_config(
        {
            "data": "d",
            "out": str(tmp_path),
            "encoder": "e",
            "repeats": 2,
            "training": {"bf16": True},
        }
    )
    folder = RunFolder(tmp_path)
    folder.repeat(1).path.mkdir(parents=True)
    own = _of_repeat(config.replace(training={}), folder, 1)
    write_config(folder.repeat(1), own)
    with pytest.raises(RunError, match=r"another training\.bf16"):
        _claim(folder, config)
    _claim(folder, config.replace(training={"bf16": "auto"}))


@pytest.mark.parametrize(
    ("config", "names", "trained"),
    [
        ("{}", [], True),
        ("data: 5", [], True),
        ("data: [a, b]", [], True),
        ("data: []", [], True),
        ("{data: shop, models: {}}", [], True),
        ("data: shop", [], False),
        ("data: a", ["a", "b"], True),
        ("data: [a]", ["a", "b"], True),
        ("data: [b, a]", ["a", "b"], True),
        ("data: [a, {data: c}]", ["a", "b"], True),
        ("data: [a, {}]", ["a", "b"], True),
        ("data: [a, b, c]", ["a", "b"], True),
    ],
)
def test_a_configuration_of_another_run_is_refused(tmp_path, config, names, trained):
    results = {"dataset": {"name": "shop"}, "split": {}, "rows": []}
    results |= {"training": {}} if trained else {}
    results |= {"datasets": [{"name": name, "split": {}} for name in names]} if names else {}
    with pytest.raises(RunError, match=r"config\.yaml in .* is of a .*, results\.json of a "):
        require_same_run(yaml.safe_load(config), results, tmp_path)


@pytest.mark.parametrize(
    ("config", "names"),
    [
        ("data: elsewhere/renamed", []),
        ("data: [renamed]", []),
        ("data: [x/a, {data: y/b}]", ["a", "b"]),
    ],
)
def test_a_configuration_of_the_same_run_passes(tmp_path, config, names):
    results = {"dataset": {"name": "shop"}, "split": {}, "rows": [], "training": {}}
    results |= {"datasets": [{"name": name, "split": {}} for name in names]} if names else {}
    require_same_run(yaml.safe_load(config), results, tmp_path)


@pytest.mark.parametrize("command", ["push", "verify"])
def test_push_and_verify_refuse_a_configuration_of_another_run(tmp_path, capsys, command):
    (tmp_path / "results.json").write_text(json.dumps(results_of()))
    (tmp_path / "config.yaml").write_text("data: [shop, other]\nencoder: e\nout: o\n")
    (tmp_path / "model").mkdir()
    more = ["--repo", "user/name", "--dry-run"] if command == "push" else []
    assert main([command, str(tmp_path), *more]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "training on shop, other, results.json of a training on shop" in line


@pytest.mark.parametrize("value", ["'4'", "x", "[1]", "true", ".nan", "{}"])
def test_a_least_value_that_is_no_number_is_refused(tmp_path, value):
    (tmp_path / "config.yaml").write_text(f"min_value: {value}\n")
    with pytest.raises(ConfigError, match="min_value="):
        least_value(tmp_path)


@pytest.mark.parametrize(("text", "value"), [("4", 4), ("3.5", 3.5), ("null", None)])
def test_a_least_value_is_read_as_it_is(tmp_path, text, value):
    (tmp_path / "config.yaml").write_text(f"min_value: {text}\n")
    assert least_value(tmp_path) == value


@pytest.mark.parametrize("name", ["config_sentence_transformers.json", "tokenizer_config.json"])
@pytest.mark.parametrize("content", ["[]", "null", "5"])
def test_a_file_of_an_encoder_with_another_kind_of_value_is_an_encoder_error(
    tmp_path, encoder_folder, name, content
):
    folder = shutil.copytree(encoder_folder, tmp_path / "encoder")
    (folder / name).write_text(content)
    with pytest.raises(EncoderError, match="cannot load the encoder"):
        load_encoder(folder, device="cpu")


def test_vectors_that_faiss_reads_as_nothing_are_a_run_error(tmp_path):
    ItemIndex(np.eye(3, dtype=np.float32), np.arange(3)).save(tmp_path / "index")
    (tmp_path / "index" / "items.faiss").write_bytes(b"null")
    with pytest.raises(RunError, match="broken index files"):
        ItemIndex.load(tmp_path / "index")


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory, shop_folder, encoder_folder):
    """A training that was stopped after the first of two steps, and its configuration."""
    folder = tmp_path_factory.mktemp("unfinished")
    content = {
        **{"data": str(shop_folder), "out": str(folder / "run"), "encoder": str(encoder_folder)},
        **{"text": "{text}", "split": {"fraction": 0.2, "seed": 3}},
        "training": {
            **{"users_per_step": 50, "items_per_step": 50, "max_steps": 2, "disable_tqdm": True},
            **{"save_strategy": "steps", "save_steps": 1, "eval_strategy": "no"},
        },
        "evaluation": {"metrics": ["recall@5"], "top_k": 10},
    }
    (folder / "c.yaml").write_text(yaml.safe_dump(content))
    assert main(["train", str(folder / "c.yaml")]) == 0
    for name in ("results.json", "report.html", "README.md"):
        (folder / "run" / name).unlink()
    shutil.rmtree(folder / "run" / "checkpoints" / "checkpoint-2")
    return folder


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *[("trainer_state.json", content) for content in (b"", b"{", b"[]", b"{}", b"null")],
        *[("trainer_state.json", b'{"global_step": "x", "max_steps": 2}')],
        *[("model.safetensors", content) for content in (b"", b"null")],
        *[("optimizer.pt", b""), ("scheduler.pt", b"null"), ("rng_state.pth", b"x")],
    ],
)
def test_a_broken_checkpoint_ends_in_one_line(unfinished, tmp_path, capsys, name, content):
    run = shutil.copytree(unfinished / "run", tmp_path / "run")
    config = (unfinished / "c.yaml").read_text().replace(str(unfinished / "run"), str(run))
    (tmp_path / "c.yaml").write_text(config)
    config = (run / "config.yaml").read_text().replace(str(unfinished / "run"), str(run))
    (run / "config.yaml").write_text(config)
    (run / "checkpoints" / "checkpoint-1" / name).write_bytes(content)
    # As of a version that noted no digests, so that the files are read.
    (run / "checkpoints" / "checkpoint-1" / "digests.json").unlink()
    assert main(["train", str(tmp_path / "c.yaml")]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("beekit: ")
    assert "checkpoint-1 cannot be read" in line
    assert "Remove that folder" in line
