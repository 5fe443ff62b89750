"""Kinds of split: each reads its own keys, and one from outside is as good as beekit's own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from random_interactions import tiny

from beekit.config_model import read
from beekit.errors import ConfigError
from beekit.split import SplitConfig, load_split, make_split, said_of
from beekit.split.kinds import KINDS

LONG_TAIL = "long_tail:LongTail"
# What config.yaml of earlier versions says of a split: the keys of all kinds.
OLD = {
    **dict.fromkeys(("items", "users", "fraction", "validation", "warm_fraction")),
    **{"source_fraction": None, "train": None, "test": None, "seed": 42},
}


def config(**section) -> SplitConfig:
    return read(SplitConfig, section, "split.")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_what_it_is(kind):
    for what in ("meaning", "task", "candidates"):
        assert said_of({"kind": kind}, what)
    assert said_of({"kind": kind}, "drawn") is not None
    assert all(field.description for field in list(KINDS[kind].model_fields.values())[1:])


def test_what_results_say_of_an_unknown_kind_is_what_they_keep_of_it():
    assert said_of({"kind": "several"}, "meaning") is None
    assert said_of({"kind": "x:Y", "about": {"meaning": "Odd."}}, "meaning") == "Odd."


@pytest.mark.parametrize("kind", KINDS)
def test_a_split_of_an_earlier_version_reads_as_one_of_today(kind):
    of_kind = {"kind": kind, **({"test": "test.parquet"} if kind == "published" else {})}
    assert config(**{**OLD, **of_kind}) == config(**of_kind)


@pytest.mark.parametrize("kind", ["none", "zero_shot", "published"])
def test_a_share_may_stand_where_it_means_nothing(kind):
    of_kind = {"kind": kind, **({"test": "test.parquet"} if kind == "published" else {})}
    assert config(**of_kind, fraction=0.2, validation=3) == config(**of_kind)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"kind": "user", "items": 3}, "split.items=3 with split.kind=user; .* Remove split.items"),
        ({"kind": "usr"}, "expected one of cold_start, user, time, .*, or package.module:Class"),
        ({"kind": 3}, "split.kind=3"),
        ({"fraction": 1.5}, "split.fraction=1.5; expected above 0 and below 1"),
        ({"kind": "time", "validation": 5}, "split.validation=5; .* below 1"),
        ({"kind": "random", "validation": 1}, "split.validation=1; .* below 1"),
        ({"validation": True}, "split.validation=True; expected a number"),
        ({"validation": -1}, "split.validation=-1; expected 0 or more"),
        ({"seed": None}, "split.seed=None; expected an integer"),
        ({"seed": "4"}, "split.seed='4'; expected an integer"),
        ({"seed": 2**63}, "an integer of 64 bits"),
        ({"kind": "published"}, "no key split.test"),
        ({"kind": "nowhere.at:All"}, "cannot be imported"),
        ({"kind": "long_tail:Shrt"}, "cannot be imported"),
        ({"kind": "long_tail:NoClass"}, "derived from beekit.split.SplitConfig"),
        ({"kind": "long_tail:NoMake"}, "without make"),
        ({"kind": LONG_TAIL, "shre": 0.2}, "Did you mean split.share?"),
        ({"kind": LONG_TAIL, "share": 2}, "split.share=2; expected above 0 and below 1"),
    ],
)
def test_a_section_that_says_what_its_kind_does_not_know_is_refused_in_one_line(section, message):
    with pytest.raises(ConfigError, match=message) as caught:
        config(**section)
    assert "\n" not in str(caught.value)


def test_a_kind_from_outside_is_made_saved_and_loaded_again_without_its_code(tmp_path, monkeypatch):
    split = make_split(tiny(), config(kind=LONG_TAIL, share=0.3))
    assert split.summary()["about"]["meaning"] == "The least used items were held out."
    assert json.loads(json.dumps(split.summary())) == split.summary()
    split.save(tmp_path / "split")
    monkeypatch.setattr("beekit.split.kinds.imported", None)
    again = load_split(tmp_path / "split", tiny())
    assert again.hash == split.hash
    assert again.summary() == split.summary()
    assert np.array_equal(again.test.source.toarray(), split.test.source.toarray())


@pytest.mark.parametrize("kind", ["cold_start", "user", "time", "random", "zero_shot"])
def test_a_split_that_was_saved_before_sources_were_said_loads(tmp_path, kind):
    split = make_split(tiny(), config(kind=kind))
    split.save(tmp_path / "split")
    path = Path(tmp_path / "split" / "split.json")
    saved = json.loads(path.read_text())
    del saved["sources"]
    path.write_text(json.dumps(saved))
    assert load_split(tmp_path / "split", tiny()).hash == split.hash
