"""The model card: valid metadata, and no number that the results do not hold."""

from __future__ import annotations

import copy
import json

import pytest
from huggingface_hub import ModelCard

from beekit.errors import RunError
from beekit.hub import render_card, write_card

RESULTS = {
    "schema": 1,
    "dataset": {
        "name": "shop",
        "users": 3000,
        "items": 1152,
        "interactions": 44941,
        "fingerprint": "b5c0bb83" * 8,
    },
    "split": {
        "kind": "cold_start",
        "hash": "75b595fa" * 8,
        "test": {"users": 2854, "candidates": 230},
    },
    "environment": {"beekit": "0.1.0"},
    "rows": [
        {
            "model": name,
            "scenario": "cold_start/test",
            "users": 2854,
            "metrics": {"recall@20": {"value": value, "ci95": [value - 0.01, value + 0.01]}},
            "seconds": 1.0,
        }
        for name, value in (("pretrained", 0.1234), ("fine-tuned", 0.4321))
    ],
    "training": {
        "encoder": "sentence-transformers/all-MiniLM-L6-v2",
        "base_models": ["sentence-transformers/all-MiniLM-L6-v2"],
        "text": "{title}",
        "steps": 30,
        "users_per_step": 1024,
        "items_per_step": 800,
        "optimizer": "adamw_torch",
        "learning_rate": 1e-4,
        "scheduler": "linear",
        "max_seq_length": 64,
        "seed": 42,
    },
}


def test_metadata_is_what_the_hub_reads():
    card = ModelCard(render_card(RESULTS))
    assert card.data.base_model == "sentence-transformers/all-MiniLM-L6-v2"
    assert card.data.library_name == "sentence-transformers"


def test_values_and_intervals_come_from_the_results():
    card = render_card(RESULTS)
    assert "| fine-tuned | 0.4321 (0.4221–0.4421) |" in card
    assert "2,854 test users" in card
    assert "1,152 used items" in card


@pytest.mark.parametrize("encoder", ["/home/me/model", "./model", "runs/deep/model"])
def test_a_path_of_this_machine_is_not_a_base_model(encoder):
    results = copy.deepcopy(RESULTS)
    results["training"] |= {"encoder": encoder, "base_models": []}
    card = render_card(results)
    assert "base_model" not in card
    assert encoder not in card


def test_a_run_without_evaluation_says_so():
    card = render_card({**RESULTS, "rows": [], "split": {"kind": "none", "hash": "0" * 64}})
    assert "Nothing was held out" in card


def test_card_is_written_beside_the_results(tmp_path):
    (tmp_path / "results.json").write_text(json.dumps(RESULTS))
    write_card(tmp_path)
    assert (tmp_path / "README.md").read_text() == render_card(RESULTS)


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"no results\.json"):
        write_card(tmp_path)


def test_the_part_that_was_trained_is_stated():
    def card(**part):
        return render_card({**RESULTS, "training": {**RESULTS["training"], **part}})

    assert "Adapters of rank 8" in card(lora=8, last_layers=None)
    assert "The last 2 transformer blocks were trained" in card(lora=None, last_layers=2)
    assert "blocks were trained" not in card(lora=None, last_layers=None)


def test_both_intervals_holm_and_the_choice_of_settings_are_stated():
    results = copy.deepcopy(RESULTS)
    for row in results["rows"]:
        row["settings_chosen"] = "test"
        row["metrics"]["recall@20"]["ci95_items"] = [0.01, 0.9]
    ends = {"difference": 0.3, "ci95": [0.2, 0.4], "ci95_items": [0.1, 0.5]}
    tested = {"p_value": 0.01, "p_holm": 0.03, "family": 3, "users": 2854}
    pair = {"metric": "recall@20", "first": "fine-tuned", "second": "pretrained"}
    results["comparisons"] = [{**pair, **ends, **tested}]
    card = render_card(results)
    assert "| fine-tuned | 0.4321 (0.4221–0.4421; 0.0100–0.9000) |" in card
    assert "how it would vary with other held-out items too" in card
    assert "Settings: chosen on the test part, because the split has no validation part." in card
    assert "p 0.0300, raw 0.0100" in card
    (evaluated,) = ModelCard(card).data.eval_results
    assert evaluated.metric_args["ci95_items"] == [0.01, 0.9]
    assert evaluated.dataset_args["settings_chosen"] == "test"
