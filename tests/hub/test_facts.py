"""The YAML file of a model: checked, and in the card where it belongs."""

from __future__ import annotations

import pytest
from huggingface_hub import ModelCard
from test_card import RESULTS

from beekit.errors import ConfigError
from beekit.hub import render_card
from beekit.hub.facts import Facts, load_facts, on_hub


def test_what_the_file_says_is_in_the_card():
    facts = Facts(
        repo="bee/shop",
        title="Bee at the shop",
        summary="Knows what fits.",
        license="apache-2.0",
        language=["en"],
        datasets={"shop": "bee/shop-data"},
        data="Drawn, free to use.",
        limits="Knows nothing of shoes.",
        tags=["printers"],
        citation="@misc{shop}",
    )
    card = render_card(RESULTS, facts)
    data = ModelCard(card).data
    assert data.license == "apache-2.0"
    assert data.datasets == ["bee/shop-data"]
    assert "printers" in data.tags
    for said in ("# Bee at the shop", facts.summary, facts.data, facts.limits, facts.citation):
        assert said in card
    assert 'SentenceTransformer("bee/shop")' in card
    assert "beekit pull bee/shop" in card


def test_metrics_with_intervals_are_in_the_model_index():
    (result,) = ModelCard(render_card(RESULTS)).data.eval_results
    stated = RESULTS["rows"][-1]["metrics"]["recall@20"]
    assert result.metric_type == "recall@20"
    assert result.metric_value == pytest.approx(stated["value"], abs=1e-6)
    assert result.metric_args["ci95"] == pytest.approx(stated["ci95"], abs=1e-6)
    assert result.dataset_args["split_hash"] == RESULTS["split"]["hash"]
    assert result.dataset_args["candidates"] == 230


def test_a_key_or_name_that_is_none_is_refused_in_one_line(tmp_path):
    path = tmp_path / "facts.yaml"
    path.write_text("licence: apache-2.0\n")
    with pytest.raises(ConfigError, match=r"unknown key licence.*Did you mean license\?"):
        load_facts(path)
    path.write_text("base_model: /home/me/model\n")
    with pytest.raises(ConfigError, match="where a name on the Hub belongs"):
        load_facts(path)


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("sentence-transformers/all-MiniLM-L6-v2", True),
        ("/home/me", False),
        ("./model", False),
        ("runs/deep/model", False),
        ("tests/hub", False),  # a folder that is there
        (None, False),
    ],
)
def test_names_on_the_hub_are_told_from_paths(name, is_one):
    assert on_hub(name) is is_one
