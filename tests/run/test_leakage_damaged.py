"""Damage to the files of a run, or wrong files in it, never lets an encoder pass."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from test_leakage import (
    ITEMS,
    TITLES,
    as_trained,
    cold,
    comparison,
    learnt,
    refused,
    training_from,
    untouched,
    write,
)

from beekit import user_split
from beekit.cli import main
from beekit.errors import RunError
from beekit.run.leakage import require_unseen
from beekit.run.training_history import BEFORE, Source, load_before, save_before, sources
from beekit.run_folder import RunFolder, run_of
from beekit.split.training_record import ITEMS as NOTED_ITEMS
from beekit.split.training_record import (
    PAIRS,
    TrainingRecord,
    load_training_record,
    record_training,
    save_training_record,
)


@pytest.fixture
def films(tmp_path):
    return write(tmp_path / "films")


@pytest.fixture
def run(tmp_path, films, encoder_folder):
    """A run as training leaves it, on films with split seed 2."""
    path = as_trained(tmp_path / "runs" / "a", films, tmp_path / "films", encoder_folder)
    (path / "checkpoints").mkdir()
    (path / "checkpoints" / "made_of.json").write_text("{}")
    return path


def evaluates(tmp_path, capsys, **model) -> str:
    """What `beekit evaluate` says in refusing the model."""
    capsys.readouterr()
    assert main(comparison(tmp_path, "table", **model)) == 2
    assert not (tmp_path / "table").exists()
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "Expected" in said or "expected" in said, said
    return said


@pytest.mark.parametrize("config", [b"", b"\xff\xfe", b"- a\n", None])
def test_a_run_with_a_broken_configuration_is_refused(run, tmp_path, capsys, config):
    if config is None:
        (run / "config.yaml").unlink()
    else:
        (run / "config.yaml").write_bytes(config)
    assert run_of(str(run / "model")) == run
    assert RunFolder(run).kind == "training"
    assert "config.yaml" in evaluates(tmp_path, capsys, encoder=str(run / "model"))
    assert main(training_from(run, tmp_path)) == 2
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "left", ["config.yaml", "results.json", "split/split.json", "checkpoints/made_of.json"]
)
def test_a_run_of_which_one_file_is_left_is_a_run(run, tmp_path, capsys, left):
    kept = (run / left).read_bytes()
    for name in ("config.yaml", "results.json"):
        (run / name).unlink()
    shutil.rmtree(run / "split")
    shutil.rmtree(run / "checkpoints")
    assert run_of(str(run / "model")) is None
    (run / left).parent.mkdir(exist_ok=True)
    (run / left).write_bytes(kept)
    evaluates(tmp_path, capsys, encoder=str(run / "model"))


def test_a_broken_configuration_does_not_hide_the_other_datasets_of_a_run(run, tmp_path):
    part = run / "datasets" / "films"
    part.mkdir(parents=True)
    (run / "config.yaml").write_bytes(b"\xff\xfe")
    shutil.rmtree(run / "checkpoints")
    assert RunFolder(run).kind == "training"
    (run / "results.json").write_text(json.dumps({}))
    assert RunFolder(part).whole.path == run


def renamed(tmp_path, run):
    """The films in a folder of another name and with fewer interactions, the run's own gone."""
    shutil.move(tmp_path / "films", tmp_path / "moved")
    write(tmp_path / "films", keep=lambda n: np.arange(n) > 4)
    config = yaml.safe_load((run / "config.yaml").read_text())
    (run / "config.yaml").write_text(yaml.safe_dump({**config, "data": "gone"}))
    results = json.loads((run / "results.json").read_text())
    results["dataset"]["name"] = "kino"
    (run / "results.json").write_text(json.dumps(results))


def test_a_run_without_its_training_items_is_refused(run, tmp_path, capsys):
    renamed(tmp_path, run)
    assert "items held out here" in evaluates(tmp_path, capsys, run=str(run))
    (run / "split" / NOTED_ITEMS).unlink()
    assert "training_items.parquet cannot be read" in evaluates(tmp_path, capsys, run=str(run))


@pytest.mark.parametrize("version", ["new", "old"])
def test_an_ancestor_whose_items_are_gone_is_refused(run, films, tmp_path, version):
    apart = tmp_path / "later" / "split"
    apart.mkdir(parents=True)
    (source,) = sources(run)
    save_before(apart, [source])
    if version == "old":
        note = json.loads((apart / BEFORE).read_text())
        del note["sources"][0]["noted"]
        (apart / BEFORE).write_text(json.dumps(note))
    (before,) = load_before(apart)
    assert before.learnt.contents == source.learnt.contents
    shutil.rmtree(apart / "before")
    with pytest.raises(RunError, match=r"before/1/training_items\.parquet cannot be read"):
        load_before(apart)


def test_an_ancestor_of_which_nothing_was_noted_is_told_from_one_that_lost_it(tmp_path):
    unknown = Source("a", "films", "x", "y", None)
    save_before(tmp_path, [unknown])
    assert load_before(tmp_path) == [unknown]


GOOD = {"run": "a", "name": "films", "fingerprint": "x", "split": "y", "together": ""}


@pytest.mark.parametrize(
    "wrong",
    [
        *({key: value} for key in GOOD for value in (None, 5, [], {})),
        {"noted": "yes"},
        {"noted": None},
    ],
)
def test_ancestors_of_wrong_types_are_refused_in_one_line(tmp_path, wrong):
    note = {"schema": 1, "sources": [{**GOOD, "noted": False, **wrong}]}
    (tmp_path / BEFORE).write_text(json.dumps(note))
    with pytest.raises(RunError, match="nothing of use under sources"):
        load_before(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"item_id": pa.array([1.0, 2.0]), "content": [["a+"]] * 2},
        {"item_id": pa.array([1, None]), "content": [["a+"]] * 2},
        {"item_id": pa.nulls(2, pa.int64()), "content": [["a+"]] * 2},
        {"item_id": pa.array([True, False]), "content": [["a+"]] * 2},
        {"item_id": pa.array([1, 2]), "content": [3, 4]},
        {"item_id": pa.array([1, 2]), "content": ["a+", "b+"]},
        {"item_id": pa.array([1, 2]), "content": [[3], [4]]},
        {"item_id": pa.array([1, 2]), "content": [["a+"], None]},
        {"item_id": pa.array([1, 2]), "content": [["a+"], [None]]},
        {"item_id": pa.array([1, 2]), "content": pa.nulls(2, pa.list_(pa.string()))},
    ],
)
def test_items_of_wrong_types_are_refused_in_one_line(tmp_path, wrong):
    pq.write_table(pa.table(wrong), tmp_path / NOTED_ITEMS)
    with pytest.raises(RunError, match=r"training_items\.parquet cannot be read"):
        load_training_record(tmp_path)


@pytest.mark.parametrize("kind", ["none", "text", "null", "int64", "descending", "items"])
def test_pairs_of_wrong_types_are_refused_in_one_line(films, tmp_path, kind):
    untouched(films).save(tmp_path / "split")
    save_training_record(tmp_path / "split", record_training(untouched(films), films.catalog))
    pairs = pq.read_table(tmp_path / "split" / PAIRS)["pair"].to_numpy()
    wrong = {
        "none": pairs[:0],
        "text": [str(pair) for pair in pairs],
        "null": pa.nulls(len(pairs), pa.uint64()),
        "int64": (pairs >> np.uint64(1)).astype(np.int64),
        "descending": pairs[::-1],
        "items": pairs[: ITEMS - 1],
    }[kind]
    pq.write_table(pa.table({"pair": wrong}), tmp_path / "split" / PAIRS)
    with pytest.raises(RunError, match=r"training_pairs\.parquet cannot be read"):
        load_training_record(tmp_path / "split")


def test_pairs_of_another_run_do_not_make_the_own_people_others(films, tmp_path):
    split = user_split(films.interactions, users=20, seed=1)
    (source,) = learnt(films, untouched(films))
    assert "interactions held out here" in refused([source], films, split)
    people = write(tmp_path / "people", who=1)
    (other,) = learnt(people, untouched(people))
    for pairs in (other.learnt.pairs, other.learnt.pairs[:100]):
        swapped = TrainingRecord(
            source.learnt.item_ids, source.learnt.contents, pairs, source.learnt.below
        )
        wrong = Source("runs/a", "films", films.fingerprint, "x", swapped)
        assert "are not in the dataset it was trained on" in refused([wrong], films, split)


def test_pairs_of_another_run_beside_the_items_are_refused(films, tmp_path):
    people = write(tmp_path / "people", who=1)
    for name, dataset in (("mine", films), ("other", people)):
        untouched(dataset).save(tmp_path / name)
        save_training_record(tmp_path / name, record_training(untouched(dataset), dataset.catalog))
    shutil.copy(tmp_path / "other" / PAIRS, tmp_path / "mine" / PAIRS)
    with pytest.raises(RunError, match="pairs that were not written together with the items"):
        load_training_record(tmp_path / "mine")


def test_texts_said_twice_of_an_item_tell_it_still(films, tmp_path):
    twice = write(tmp_path / "a", extra={"description": TITLES})
    ids = [f"tt{i}" for i in range(ITEMS)]
    other = write(tmp_path / "b", extra={"description": TITLES}, ids=ids, who=1)
    assert "under other ids" in refused(learnt(other, cold(other, 2)), twice, cold(twice))
    books = [f"book {item:03d} by somebody" for item in range(ITEMS)]
    apart = write(tmp_path / "c", titles=books, extra={"description": books}, who=1)
    assert require_unseen("tuned", learnt(apart, cold(apart, 2)), twice, cold(twice)) == []


@pytest.mark.parametrize("kind", ["pulled", "old"])
def test_training_goes_on_from_a_run_that_notes_less(run, tmp_path, kind):
    (run / "split" / PAIRS).unlink()
    if kind == "old":
        table = pq.read_table(run / "split" / NOTED_ITEMS)
        pq.write_table(table.select(["item_id"]), run / "split" / NOTED_ITEMS)
    else:
        (run / "beekit.json").write_text("{}")
    config = yaml.safe_load((run / "config.yaml").read_text())
    (run / "config.yaml").write_text(yaml.safe_dump({**config, "data": "gone", "pooling": None}))
    titles = [f"book {item:03d} by somebody" for item in range(ITEMS)]
    write(tmp_path / "books", ids=range(900, 900 + ITEMS), titles=titles, who=1)
    training = {
        "data": str(tmp_path / "books"),
        "out": str(tmp_path / "b"),
        "encoder": str(run / "model"),
        "text": "{title}. {genre}",
        "split": {"items": 10, "seed": 1},
        "evaluation": {"metrics": ["recall@5"], "top_k": 5},
        "training": {"max_steps": 1, "users_per_step": 8, "items_per_step": 8},
    }
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(training))
    assert main(["train", str(tmp_path / "t.yaml")]) == 0
    (before,) = load_before(tmp_path / "b" / "split")
    assert before.learnt.pairs is None
    assert (before.learnt.contents is None) == (kind == "old")
    assert before.learnt.item_ids.equals(load_training_record(run / "split").item_ids)
