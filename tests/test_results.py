"""What results state, asked in one place: datasets, models, metrics and parts of a split."""

from __future__ import annotations

import pytest

from beekit.results import (
    DEFAULT_METRIC,
    FINE_TUNED,
    compose_results,
    dataset_results,
    is_joint,
    joint_hash,
    main_metric,
    part_of,
    rows_by_scenario,
    rows_of,
)


def row(model, scenario):
    return {"model": model, "scenario": scenario, "metrics": {}}


ONE = {
    "dataset": {"name": "films"},
    "split": {"hash": "ab"},
    "rows": [row(FINE_TUNED, "cold_start/test"), row("random", "cold_start/test")],
    "training": {"text": "{title}"},
}
JOINT = {
    "dataset": {"name": "films + books"},
    "split": {"hash": "cd"},
    "rows": [row(FINE_TUNED, "films/cold_start/test"), row(FINE_TUNED, "books/time/test")],
    "training": {},
    "datasets": [
        {"name": "films", "split": {"hash": "ab"}, "text": "{title}"},
        {"name": "books", "split": {"hash": "ef"}, "image": "cover"},
    ],
}


def test_a_run_has_its_dataset_or_each_of_several_with_its_own_rows():
    (films,) = dataset_results(ONE)
    assert (films.name, films.split, films.text) == ("films", {"hash": "ab"}, "{title}")
    assert films.rows == ONE["rows"]
    assert not is_joint(ONE)
    films, books = dataset_results(JOINT)
    assert is_joint(JOINT)
    assert (films.text, films.image, books.text, books.image) == ("{title}", None, None, "cover")
    assert [one.rows for one in (films, books)] == [[JOINT["rows"][0]], [JOINT["rows"][1]]]


def test_rows_are_told_apart_by_model_scenario_and_part():
    assert rows_of(ONE["rows"], FINE_TUNED) == ONE["rows"][:1]
    assert list(rows_by_scenario(JOINT["rows"])) == ["films/cold_start/test", "books/time/test"]
    assert part_of("films/cold_start/warm") == "warm"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["recall@5", DEFAULT_METRIC], DEFAULT_METRIC),
        (["coverage@20", "ndcg@10", "recall@5"], "ndcg@10"),
        (["coverage@20"], None),
        ([], None),
    ],
)
def test_the_main_metric_is_the_usual_one_or_the_first_over_users(names, expected):
    assert main_metric(names) == expected


def test_sections_without_content_are_left_out_and_empty_ones_stay():
    assert compose_results(rows=[], note=None, order=[]) == {"schema": 1, "rows": [], "order": []}


def test_the_hash_of_one_is_its_own_and_of_several_depends_on_their_order():
    assert joint_hash(["ab"]) == "ab"
    assert len({joint_hash(["ab", "cd"]), joint_hash(["cd", "ab"]), joint_hash(["abcd"])}) == 3
