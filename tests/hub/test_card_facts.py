"""The YAML file of a model: checked, and in the card where it belongs."""

from __future__ import annotations

import pytest
from huggingface_hub import ModelCard
from local_hub import metadata_errors
from test_card import RESULTS

from beekit.errors import ConfigError
from beekit.hub import render_card
from beekit.hub.card_facts import Facts, load_facts
from beekit.report.public_names import on_hub, public_name


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
    with pytest.raises(ConfigError, match="as a name on the Hub"):
        load_facts(path)


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("sentence-transformers/all-MiniLM-L6-v2", True),
        ("/home/me", False),
        ("./model", False),
        ("runs/deep/model", False),
        ("tests/hub", False),  # a folder that is there
        ("open_clip:ViT-B-32/laion2b", False),
        (None, False),
    ],
)
def test_names_on_the_hub_are_told_from_paths(name, is_one):
    assert on_hub(name) is is_one


@pytest.mark.parametrize(
    ("encoder", "named"),
    [
        ("sentence-transformers/all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"),
        ("/home/me/acme/encoder", "encoder"),
        ("encoders/acme", "acme"),
        ("open_clip:ViT-B-32/laion2b_s34b_b79k", "open_clip:ViT-B-32/laion2b_s34b_b79k"),
        ("open_clip:ViT-B-32//home/me/acme/secret.pt", "open_clip:ViT-B-32/secret.pt"),
        ("open_clip:ViT-B-32", "open_clip:ViT-B-32"),
    ],
)
def test_strangers_are_told_names_and_no_paths(encoder, named):
    assert public_name(encoder, ["sentence-transformers/all-MiniLM-L6-v2"]) == named


@pytest.mark.parametrize(
    "wrong",
    [
        {"license": "my own"},
        {"license": "mit", "license_name": "mine"},
        {"language": ["english"]},
        {"datasets": {"shop": 5}},
        {"repo": "bee/with space"},
    ],
)
def test_facts_the_hub_would_refuse_are_refused_here(wrong):
    with pytest.raises(ConfigError, match="in the facts of a model"):
        Facts(**wrong)


def test_facts_on_a_dataset_the_run_has_not_are_refused():
    with pytest.raises(ConfigError, match=r"dataset 'shpo' .* one of the run's, shop"):
        Facts(datasets={"shpo": "bee/shop-data"}).require_datasets(["shop"])


def test_the_hub_takes_any_name_of_a_dataset():
    results = {**RESULTS, "dataset": {**RESULTS["dataset"], "name": "my shop (2024)"}}
    card = render_card(results)
    assert metadata_errors(card) == []
    (result,) = ModelCard(card).data.eval_results
    assert result.dataset_name == "my shop (2024)"


def test_datasets_of_one_repository_are_told_apart():
    both = [{**RESULTS["dataset"], "name": n, "split": RESULTS["split"]} for n in ("a", "b")]
    rows = [
        {**row, "scenario": f"{name}/cold_start/test"}
        for name in ("a", "b")
        for row in RESULTS["rows"]
    ]
    facts = Facts(datasets={"a": "me/data", "b": "me/data"})
    data = ModelCard(render_card({**RESULTS, "datasets": both, "rows": rows}, facts)).data
    assert {result.dataset_name for result in data.eval_results} == {"a", "b"}
