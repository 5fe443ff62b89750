"""How settings were chosen is said with every figure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from beekit.cli import main
from beekit.errors import ConfigError
from beekit.models import EASE, Popularity
from beekit.report.settings import settings_caption
from beekit.run.comparison import load_comparison
from beekit.run.config import load_config
from beekit.run.settings_source import check_chosen_on, settings_chosen, settings_of_run
from beekit.run.train import _settings_chosen
from beekit.split import cold_start_split

RECIPES = Path(__file__).parents[2]


def test_what_was_said_counts_and_else_whether_anything_was_set():
    assert settings_chosen({}, EASE, None) == "defaults"
    assert settings_chosen({"regularization": 100}, EASE, None) == "not stated"
    default = EASE().regularization
    assert settings_chosen({"regularization": default}, EASE, None) == "defaults"
    assert settings_chosen({"regularization": 100}, EASE, None, "test") == "test"
    assert settings_chosen({}, EASE, "validation", "test") == "validation"
    assert settings_chosen({}, Popularity, None, "test") == "defaults"  # nothing to choose


def test_a_caption_groups_models_and_says_when_there_was_no_other_part():
    def row(model, chosen=None):
        return {"model": model, **({"settings_chosen": chosen} if chosen else {})}

    rows = [row("EASE", "test"), row("random", "defaults"), row("SLIM", "test")]
    rows += [row(name, "defaults") for name in ("popularity", "content")]
    assert settings_caption(rows, {"test": {"users": 5}}) == (
        "Settings: EASE, SLIM: chosen on the test part, because the split has no validation part; "
        "others: the library's defaults."
    )
    with_validation = {"test": {"users": 5}, "validation": {"users": 5}}
    assert "chosen on the test part;" in settings_caption(rows, with_validation)
    assert settings_caption([row("a")], {}) == "Settings: how they were chosen is not stated."
    assert settings_caption([row("a", "picked by hand.")], {}) == "Settings: picked by hand."
    assert settings_caption([], {}) is None


@pytest.mark.parametrize("value", ["tests", "", "two\nlines of it", "word " * 60])
def test_what_says_nothing_is_refused_in_one_line(value):
    with pytest.raises(ConfigError, match="chosen_on=") as error:
        check_chosen_on("chosen_on", value)
    assert "\n" not in str(error.value)


def test_a_run_says_how_its_encoder_was_set_as_seen_from_here(shop_dataset):
    split = cold_start_split(shop_dataset.interactions, items=40)
    row = {"model": "fine-tuned", "settings_chosen": "test"}
    here = {"dataset": {"name": "shop"}, "rows": [row], "split": {"hash": split.hash}}
    assert settings_of_run(here, split) == "test"
    assert settings_of_run({**here, "split": {"hash": "other"}}, split) == "elsewhere"
    assert settings_of_run({**here, "rows": [{"model": "fine-tuned"}]}, split) == "not stated"


def _configure(folder, tmp_path, **changes):
    content = {
        "data": str(folder),
        "out": str(tmp_path / "run"),
        "split": {"kind": "user", "fraction": 0.3},
        "models": {
            "popularity": None,
            "EASE": {"regularization": 100, "chosen_on": "validation"},
            "other": {"model": "ease", "regularization": 50},
        },
        "evaluation": {"metrics": ["recall@20", "coverage@20"], "top_k": 20},
        **changes,
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return str(path)


def test_table_report_results_and_terminal_say_it_with_corrected_p_values(
    shop_folder, tmp_path, capsys
):
    assert main(["evaluate", _configure(shop_folder, tmp_path)]) == 0
    run = tmp_path / "run"
    results = json.loads((run / "results.json").read_text())
    said = {row["model"]: row["settings_chosen"] for row in results["rows"]}
    assert said == {"popularity": "defaults", "EASE": "validation", "other": "not stated"}
    caption = settings_caption(results["rows"], results["split"])
    report = " ".join((run / "report.html").read_text().replace("&#39;", "'").split())
    for where in ((run / "table.md").read_text(), report, capsys.readouterr().out):
        assert caption in where
    assert (run / "table.csv").read_text().splitlines()[0].endswith("settings_chosen")
    low, high = results["rows"][0]["metrics"]["recall@20"]["ci95_items"]
    assert f"{low:.4f}–{high:.4f}" in report
    assert all(c["p_value"] <= c["p_holm"] and c["family"] == 3 for c in results["comparisons"])
    assert "Holm's correction over all 3 tests" in report
    assert "how it would vary with other held-out items too" in report


@pytest.mark.parametrize(
    "changes",
    [
        {"split": {"kind": "user", "fraction": 0.3, "validation": 0}},
        {"split": {"kind": "zero_shot"}, "chosen_on": "validation"},
    ],
)
def test_validation_is_refused_where_there_is_none(shop_folder, tmp_path, capsys, changes):
    assert main(["evaluate", _configure(shop_folder, tmp_path, **changes)]) == 2
    assert "without a validation part" in capsys.readouterr().err
    assert not (tmp_path / "run" / "results.json").exists()


def test_training_too_refuses_a_validation_that_is_not_there(
    shop_folder, encoder_folder, tmp_path, capsys
):
    path = tmp_path / "config.yaml"
    content = {
        **{"data": str(shop_folder), "out": str(tmp_path / "run"), "encoder": str(encoder_folder)},
        **{"text": "{text}", "chosen_on": "validation", "training": {"max_steps": 1}},
        "split": {"kind": "cold_start", "items": 40, "validation": 0},
    }
    path.write_text(yaml.safe_dump(content))
    assert main(["train", str(path)]) == 2
    assert "chosen_on=validation" in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted((RECIPES / "train/recipes").glob("*.yaml")), ids=str)
def test_every_recipe_of_a_training_says_how_it_was_set(path):
    assert _settings_chosen(load_config(path), "fine-tuned") != "not stated"


@pytest.mark.parametrize("path", sorted((RECIPES / "eval/recipes").glob("*.yaml")), ids=str)
def test_every_recipe_of_a_comparison_says_how_each_model_was_set(path):
    config = load_comparison(path)
    for entry in config.entries():
        # A run says it itself.
        said = settings_chosen(entry.settings, entry.kind, entry.chosen_on, config.chosen_on)
        assert entry.run is not None or said != "not stated"
        if config.split.kind in ("published", "zero_shot") or config.split.validation == 0:
            assert said != "validation"
