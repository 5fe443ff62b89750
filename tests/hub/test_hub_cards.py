"""The cards in hub_cards: rendered from the results beside them, with no number of their own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from local_hub import metadata_errors

from beekit.hub import render_card
from beekit.hub.card_facts import Facts, load_facts

CARDS = Path(__file__).parents[2] / "hub_cards"
NAMES = sorted(path.stem for path in CARDS.glob("*.yaml"))


def test_there_are_cards_each_with_its_results():
    assert NAMES
    kinds = {".yaml", ".md", ".results.json"}
    expected = {f"{name}{kind}" for name in NAMES for kind in kinds} | {"render.py", "README.md"}
    assert {path.name for path in CARDS.iterdir() if path.is_file()} == expected


@pytest.mark.parametrize("name", NAMES)
def test_a_card_is_what_its_results_render_to(name):
    results = json.loads((CARDS / f"{name}.results.json").read_text())
    facts = load_facts(CARDS / f"{name}.yaml")
    card = (CARDS / f"{name}.md").read_text()
    assert card == render_card(results, facts.replace(repo=facts.repo or f"user/{name}")), (
        "run `python hub_cards/render.py`"
    )
    assert metadata_errors(card) == []
    data = ModelCard(card).data
    assert data.license
    assert data.base_model
    tuned = [row for row in results["rows"] if row["model"] == "fine-tuned"]
    assert len(data.eval_results) == sum(len(row["metrics"]) for row in tuned)


@pytest.mark.parametrize("name", NAMES)
def test_the_yaml_file_states_no_measured_number(name):
    facts = load_facts(CARDS / f"{name}.yaml")
    assert facts != Facts()
    prose = " ".join(filter(None, (facts.title, facts.summary, facts.data, facts.limits)))
    assert not re.search(r"(?<!\w)0?\.\d{2,}|\d%", prose)


@pytest.mark.parametrize("name", NAMES)
def test_results_hold_no_items(name):
    results = json.loads((CARDS / f"{name}.results.json").read_text())
    assert "neighbours" not in results
    assert not results["training"]["encoder"].startswith(("/", ".", "~"))
