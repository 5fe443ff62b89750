"""An encoder that learnt from what is held out is refused, whatever folders and ids are called."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from beekit import Dataset, cold_start_split, time_split, user_split
from beekit.cli import main
from beekit.data.content_digests import content_digests
from beekit.errors import RunError
from beekit.hub.upload_files import files_to_upload, read
from beekit.run.comparison import make_comparison
from beekit.run.config import make_config
from beekit.run.dataset import describe
from beekit.run.evaluate import _settings_chosen
from beekit.run.leakage import require_unseen
from beekit.run.train import _settings_chosen as chosen_in_training
from beekit.run.training_history import BEFORE, Source, load_before, shown, sources
from beekit.run_folder import run_of
from beekit.split import Split, zero_shot_split
from beekit.split.training_record import (
    PAIRS,
    load_training_record,
    record_training,
    save_training_record,
)

ITEMS = 60
TITLES = [f"film number {item:03d} of a long series" for item in range(ITEMS)]
rng = np.random.default_rng(0)
TASTES = rng.random((2, 80, ITEMS)) < 0.3


def write(folder, *, who=0, titles=TITLES, ids=None, users=None, extra=None, keep=None):
    """A dataset folder of films; `who` are the people of it."""
    folder.mkdir(parents=True)
    ids = np.arange(1, ITEMS + 1) if ids is None else np.asarray(ids)
    rows, columns = np.nonzero(TASTES[who])
    keep = np.ones(len(rows), dtype=bool) if keep is None else keep(len(rows))
    users = rows if users is None else users(rows)
    table = {"user_id": pa.array(users[keep]), "item_id": pa.array(ids[columns][keep])}
    table["timestamp"] = pa.array(np.arange(len(rows))[keep])
    pq.write_table(pa.table(table), folder / "interactions.parquet")
    items = {"item_id": pa.array(ids), "title": titles, "genre": ["drama"] * ITEMS}
    pq.write_table(pa.table({**items, **(extra or {})}), folder / "items.parquet")
    return Dataset.load(folder, text="{title}")


def learnt(dataset, split) -> list[Source]:
    """What a run of this dataset and split learnt from."""
    return [
        Source(
            "runs/a",
            dataset.name,
            dataset.fingerprint,
            split.hash,
            record_training(split, dataset.catalog),
        )
    ]


def cold(dataset, seed=1, items=10):
    return cold_start_split(dataset.interactions, items=items, seed=seed)


@pytest.fixture
def films(tmp_path):
    return write(tmp_path / "films")


def refused(source, dataset, split) -> str:
    with pytest.raises(RunError) as error:
        require_unseen("tuned", source, dataset, split)
    said = str(error.value)
    assert "\n" not in said
    assert "runs/a" in said
    return said


def test_the_same_split_and_one_that_trained_on_nothing_held_out_here_pass(films):
    assert require_unseen("tuned", learnt(films, cold(films)), films, cold(films)) == []
    more = cold_start_split(films.interactions, items=10, validation_items=8, seed=1)
    less = cold_start_split(films.interactions, items=10, validation_items=5, seed=1)
    assert require_unseen("tuned", learnt(films, more), films, less) == []
    assert "items held out" in refused(learnt(films, less), films, more)


def test_the_same_films_are_refused_in_a_renamed_folder_with_another_filter(films, tmp_path):
    other = write(tmp_path / "another name", keep=lambda n: np.arange(n) % 3 > 0)
    mine, theirs = cold(films, 1), cold(other, 2)
    source = learnt(other, theirs)
    said = refused(source, films, mine)
    held = np.union1d(mine.test.candidates, mine.validation.candidates)
    leaked = films.catalog.item_ids[np.setdiff1d(held, theirs.cold_items)]
    assert f"on {len(leaked)} of the {len(held)} items held out here" in said
    assert f"(first: {', '.join(map(str, leaked[:3]))})" in said
    # Other people who saw the same films taught it them as well.
    others = write(tmp_path / "other people", who=1)
    assert "items held out" in refused(learnt(others, cold(others, 2)), films, mine)


@pytest.mark.parametrize("change", ["text ids", "more columns", "another case", "renamed column"])
def test_the_same_items_told_otherwise_are_refused(films, tmp_path, change):
    folder = tmp_path / "b"
    if change == "text ids":
        other = write(folder, ids=[str(i) for i in range(1, ITEMS + 1)], who=1)
    elif change == "more columns":
        other = write(folder, extra={"plot": [f"plot {i}" for i in range(ITEMS)]}, who=1)
    elif change == "another case":
        other = write(folder, titles=[f"  {t.upper()} " for t in TITLES], who=1)
    else:
        write(folder, extra={"name": TITLES, "title": [f"{i}" for i in range(ITEMS)]}, who=1)
        other = Dataset.load(folder, text="{name} {title}")
    assert "items held out" in refused(learnt(other, cold(other, 2)), films, cold(films))


def test_other_texts_of_the_same_people_are_the_same_items(films, tmp_path):
    other = write(tmp_path / "b", titles=[f"Spielfilm {item}" for item in range(ITEMS)])
    assert "items held out" in refused(learnt(other, cold(other, 2)), films, cold(films))


def test_another_dataset_in_a_folder_of_the_same_name_passes(films, tmp_path, caplog):
    caplog.set_level("INFO")
    books = [f"book {item:03d} by somebody" for item in range(ITEMS)]
    alike = write(tmp_path / "b" / "films", titles=books, who=1)
    assert require_unseen("tuned", learnt(alike, cold(alike, 2)), films, cold(films)) == []
    assert "with other contents: other items" in caplog.text
    apart = write(tmp_path / "c" / "films", titles=books, ids=range(900, 900 + ITEMS), who=1)
    for split in (cold(films), zero_shot_split(films.interactions)):
        assert require_unseen("tuned", learnt(apart, cold(apart, 2)), films, split) == []


def test_the_same_texts_under_other_ids_are_refused_where_they_are_most(films, tmp_path, caplog):
    renamed = write(tmp_path / "b", ids=[f"tt{i}" for i in range(ITEMS)], who=1)
    said = refused(learnt(renamed, cold(renamed, 2)), films, cold(films))
    assert "under other ids" in said
    few = [t if i % 12 == 0 else f"book {i:03d} by somebody" for i, t in enumerate(TITLES)]
    other = write(tmp_path / "c", ids=[f"tt{i}" for i in range(ITEMS)], titles=few, who=1)
    notes = []
    for seed in range(6):
        notes += require_unseen("tuned", learnt(other, cold(other, 2)), films, cold(films, seed))
    assert notes
    assert all("under other ids" in note for note in notes)
    assert notes[0] in caplog.text


@pytest.mark.parametrize("kind", ["user", "time", "zero_shot", "warm"])
def test_pairs_that_were_trained_on_are_refused(films, tmp_path, kind):
    make = {
        "user": lambda x: user_split(x, users=20, seed=1),
        "time": lambda x: time_split(x, fraction=0.2),
        "zero_shot": zero_shot_split,
        "warm": lambda x: cold_start_split(x, items=10, warm_fraction=0.2, seed=1),
    }[kind]
    split = make(films.interactions)
    renamed = write(tmp_path / "renamed")
    trained = cold_start_split(renamed.interactions, items=10, seed=1)
    said = refused(learnt(renamed, trained), films, split)
    assert "interactions held out here" in said
    if kind != "zero_shot":  # the split itself leaves nothing of them to learn from
        again = write(tmp_path / "again", keep=lambda n: np.arange(n) % 40 > 0)
        own = make(again.interactions)
        source = learnt(films, split)
        assert require_unseen("tuned", source, films, split) == []
        assert own.hash != split.hash
    people = write(tmp_path / "people", who=1)
    notes = require_unseen("tuned", learnt(people, cold(people, 1)), films, split)
    assert len(notes) == 1
    assert "items here, with other people" in notes[0]


def test_a_sample_of_the_pairs_finds_what_all_of_them_find(films, monkeypatch):
    monkeypatch.setattr("beekit.split.training_record._NOTED", 200)
    split = user_split(films.interactions, users=20, seed=1)
    trained = cold_start_split(films.interactions, items=10, seed=1)
    (source,) = learnt(films, trained)
    assert len(source.learnt.pairs) == 200
    said = refused([source], films, split)
    hidden = sum(part.target.nnz for part in split.parts.values())
    cold_items = np.isin(np.arange(ITEMS), trained.cold_items)
    truth = sum((~cold_items[part.target.indices]).sum() for part in split.parts.values())
    stated = int(said.partition("on about ")[2].split()[0].replace(",", ""))
    assert abs(stated - truth) < 0.25 * truth
    assert f"of the {hidden:,} interactions" in said


def test_what_is_noted_is_read_back(films, tmp_path):
    split = cold(films)
    split.save(tmp_path / "split")
    noted = record_training(split, films.catalog)
    save_training_record(tmp_path / "split", noted)
    read = load_training_record(tmp_path / "split")
    assert read.item_ids.equals(noted.item_ids)
    assert read.contents == noted.contents
    np.testing.assert_array_equal(read.pairs, noted.pairs)
    with pytest.raises(RunError, match="no such file"):
        load_training_record(tmp_path)
    assert all(len(own) == 1 and own[0].endswith("+") for own in content_digests(films.catalog))


@pytest.mark.parametrize("kind", ["pulled", "old"])
def test_runs_that_note_less_are_taken_to_know_what_they_may(films, tmp_path, kind):
    split = cold(films, 2)
    split.save(tmp_path / "split")
    if kind == "pulled":
        save_training_record(tmp_path / "split", record_training(split, films.catalog))
        (tmp_path / "split" / PAIRS).unlink()
    known = load_training_record(tmp_path / "split")
    source = [Source("runs/a", "elsewhere", "another", split.hash, known)]
    assert "items held out here" in refused(source, films, cold(films, 1))
    said = refused(source, films, user_split(films.interactions, users=20, seed=1))
    assert "may have been trained" in said
    for name in ("films", "elsewhere"):
        nothing = [Source("runs/a", name, "another", split.hash, None)]
        assert "may have been trained under another split" in refused(nothing, films, cold(films))


def untouched(dataset) -> Split:
    """All of a dataset for training."""
    return Split("none", {}, dataset.interactions, dataset.interactions.matrix)


def test_the_own_split_excuses_no_other_training_of_the_encoder(films):
    split = cold(films)
    own, everything = learnt(films, split), learnt(films, untouched(films))
    for order in (own + everything, everything + own):
        assert "items held out here" in refused(order, films, split)
    assert require_unseen("tuned", own, films, split) == []
    # Of datasets trained on at once, the training itself says so and goes on.
    beside = [dataclasses.replace(one, together="both") for one in own + everything]
    (note,) = require_unseen("tuned", beside, films, split)
    assert note.startswith("tuned: a was trained under another split")


@pytest.mark.parametrize("overlap", [0.1, 0.4])
def test_few_people_in_common_are_people_in_common(films, tmp_path, overlap):
    mine = user_split(films.interactions, users=20, seed=1)
    both = int(80 * overlap)
    # The first people are those here, the others are others under ids of their own.
    people = np.concatenate([TASTES[0][:both], TASTES[1][both:]])
    rows, columns = np.nonzero(people)
    other = films_of(tmp_path / "b", np.where(rows < both, rows, rows + 1000), columns + 1)
    source = learnt(other, untouched(other))
    said = refused(source, films, mine)
    hidden = [part.target for part in mine.parts.values()]
    users = np.concatenate([np.repeat(np.arange(80), np.diff(t.indptr)) for t in hidden])
    assert f"on {np.sum(users < both):,} of the {len(users):,} interactions held out" in said


def films_of(folder, users, item_ids) -> Dataset:
    folder.mkdir()
    table = pa.table({"user_id": pa.array(users), "item_id": pa.array(item_ids)})
    pq.write_table(table, folder / "interactions.parquet")
    items = {"item_id": pa.array(np.arange(1, ITEMS + 1)), "title": TITLES}
    pq.write_table(pa.table(items), folder / "items.parquet")
    return Dataset.load(folder, text="{title}")


def test_people_of_the_same_ids_and_activity_are_other_people(tmp_path):
    # Users and items in the order of how much they use and are used, here and there.
    usage = np.outer(np.linspace(0.9, 0.05, 80), np.linspace(1.0, 0.1, ITEMS))
    draw = np.random.default_rng(3)
    here, there = (
        films_of(tmp_path / name, rows, columns + 1)
        for name in ("a", "b")
        for rows, columns in [np.nonzero(draw.random(usage.shape) < usage)]
    )
    split = user_split(here.interactions, users=20, seed=1)
    (note,) = require_unseen("tuned", learnt(there, untouched(there)), here, split)
    assert "items here, with other people" in note


def test_pairs_of_the_same_texts_under_other_ids_are_refused(films, tmp_path):
    for name, item_ids in (("b", [f"tt{i}" for i in range(ITEMS)]), ("c", range(ITEMS, 0, -1))):
        other = write(tmp_path / name, ids=item_ids)
        source = learnt(other, cold(other, 2))
        for split in (user_split(films.interactions, users=20, seed=1), cold(films, 1)):
            said = refused(source, films, split)
            assert "held out here" in said
            assert "under other ids" not in said


def test_no_word_of_other_people_where_pairs_were_not_compared(films, tmp_path):
    split = untouched(films)
    split.save(tmp_path / "split")
    save_training_record(tmp_path / "split", record_training(split, films.catalog))
    (tmp_path / "split" / PAIRS).unlink()
    known = load_training_record(tmp_path / "split")
    few = type(known)(known.item_ids[:15], known.contents[:15], None, known.below)
    source = [Source("runs/a", "elsewhere", "another", "x", few)]
    (note,) = require_unseen(
        "tuned", source, films, user_split(films.interactions, users=20, seed=1)
    )
    assert "too little to tell" in note
    assert "other people" not in note


def test_notes_name_a_run_by_its_folder_and_stay_whole(films, tmp_path, monkeypatch):
    people = write(tmp_path / "people", who=1)
    split = user_split(films.interactions, users=20, seed=1)
    place = tmp_path / "parent" / "repeats" / "1"
    place.mkdir(parents=True)
    monkeypatch.chdir(place)
    (one,) = learnt(people, cold(people, 1))
    for name in (".", str(place)):
        source = Source(name, one.name, one.fingerprint, one.split_hash, one.learnt)
        (note,) = require_unseen("v1.0", [source], films, split)
        assert note.startswith("v1.0: parent/repeats/1 was trained on ")
    leak = learnt(films, untouched(films))
    (one,) = leak
    source = Source(str(place), one.name, one.fingerprint, one.split_hash, one.learnt)
    (note,) = require_unseen("v1.0", [source], films, split, refuse=False)
    assert note.startswith("v1.0: parent/repeats/1 was trained under another split")
    assert shown("runs/a") == "a"


def csv_of(folder, titles, who=0, **columns) -> Dataset:
    """A dataset in CSV with further columns of items; `index` is one without a name."""
    folder.mkdir()
    users, items = np.nonzero(TASTES[who])
    rows = [f"{user},{item + 1}" for user, item in zip(users, items, strict=True)]
    (folder / "interactions.csv").write_text("\n".join(["user_id,item_id", *rows]) + "\n")
    names = ["" if name == "index" else name for name in columns]
    lines = [",".join([*names, "item_id", "title"])]
    for i, title in enumerate(titles):
        lines.append(",".join([*(str(make(i)) for make in columns.values()), str(i + 1), title]))
    (folder / "items.csv").write_text("\n".join(lines) + "\n")
    return Dataset.load(folder, text="{title}")


NUMBERS = {
    "index": lambda i: i,
    "row": lambda i: f"{i}",
    "price": lambda i: f"{i}.50",
    "rank": lambda i: f"1e{i}",
    "released": lambda i: f"2001-{1 + i // 28:02d}-{1 + i % 28:02d}",
    "seen": lambda i: f"2001-01-01T00:{i:02d}:00Z",
}
BOOKS = [f"book {item:03d} by somebody" for item in range(ITEMS)]


@pytest.mark.parametrize("column", NUMBERS)
def test_numbers_and_dates_tell_no_item_from_others(tmp_path, column):
    films = csv_of(tmp_path / "films", TITLES, **{column: NUMBERS[column]})
    books = csv_of(tmp_path / "books", BOOKS, who=1, **{column: NUMBERS[column]})
    assert require_unseen("tuned", learnt(books, cold(books, 2)), films, cold(films)) == []
    again = csv_of(tmp_path / "again", TITLES, who=1, **{column: NUMBERS[column]})
    assert "items held out here" in refused(learnt(again, cold(again, 2)), films, cold(films))


def test_a_column_without_a_name_tells_no_item_from_others(tmp_path):
    films = csv_of(tmp_path / "films", TITLES, index=lambda i: f"row {i} of it")
    books = csv_of(tmp_path / "books", BOOKS, who=1, index=lambda i: f"row {i} of it")
    assert require_unseen("tuned", learnt(books, cold(books, 2)), films, cold(films)) == []


def test_notes_that_count_numbers_are_held_against_numbers(tmp_path):
    code = {"code": lambda i: f"97801{i:08d}"}
    films = csv_of(tmp_path / "films", TITLES, **code)
    other = csv_of(tmp_path / "b", [f"Spielfilm {i}" for i in range(ITEMS)], who=1, **code)
    (source,) = learnt(other, cold(other, 2))
    assert require_unseen("tuned", [source], films, cold(films)) == []
    # As an earlier version noted them, whose runs are taken to know what they may.
    digests = dict(
        zip(other.catalog.item_ids, content_digests(other.catalog, numbers=True), strict=True)
    )
    contents = [digests[one] for one in source.learnt.item_ids.to_pylist()]
    old = dataclasses.replace(source.learnt, contents=contents, numbers=True)
    cold(other, 2).save(tmp_path / "split")
    save_training_record(tmp_path / "split", old)
    read = load_training_record(tmp_path / "split")
    assert read.numbers
    refused([dataclasses.replace(source, learnt=read)], films, cold(films))
    save_training_record(tmp_path / "split", source.learnt)
    assert not load_training_record(tmp_path / "split").numbers


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("width", [5, 15])
def test_people_numbered_in_the_order_of_their_items_are_other_people(tmp_path, width, as_text):
    # Each user near their own place in the catalog, here and there; other titles.
    draw = np.random.default_rng(3)
    found = []
    for name, titles in (("a", TITLES), ("b", BOOKS)):
        centre = np.linspace(0, ITEMS - 1, 200)[:, None]
        near = np.exp(-(((np.arange(ITEMS) - centre) / width) ** 2))
        rows, columns = np.nonzero(draw.random(near.shape) < 0.5 * near)
        folder = tmp_path / name
        folder.mkdir()
        users = pa.array(rows).cast(pa.string() if as_text else pa.int64())
        table = pa.table({"user_id": users, "item_id": columns + 1})
        pq.write_table(table, folder / "interactions.parquet")
        items = {"item_id": np.arange(1, ITEMS + 1), "title": titles}
        pq.write_table(pa.table(items), folder / "items.parquet")
        found.append(Dataset.load(folder, text="{title}"))
    films, books = found
    assert require_unseen("tuned", learnt(books, cold(books, 2)), films, cold(films)) == []
    # The same people are still found.
    source = learnt(films, untouched(films))
    again = user_split(films.interactions, users=20, seed=1)
    source = [dataclasses.replace(source[0], fingerprint="another", name="another")]
    assert "interactions held out here" in refused(source, films, again)


# Through the command line, with models that are not trained.


@pytest.fixture
def run(tmp_path, films, encoder_folder):
    """A run as training leaves it, on films with split seed 2."""
    return as_trained(tmp_path / "runs" / "a", films, tmp_path / "films", encoder_folder)


def as_trained(path, films, folder, encoder_folder, encoder="x", seed=2):
    split = cold(films, seed)
    split.save(path / "split")
    save_training_record(path / "split", record_training(split, films.catalog))
    shutil.copytree(encoder_folder, path / "model")
    config = {
        "data": str(folder),
        "out": str(path),
        "encoder": encoder,
        "text": "{title}. {genre}",
        "missing_text": "drop",
        "pooling": "max",
        "split": {"items": 10, "seed": seed},
    }
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    results = {
        "schema": 1,
        "dataset": describe(films),
        "split": split.summary(),
        "environment": {},
        "rows": [],
        "training": {"text": "{title}. {genre}", "max_seq_length": 7},
    }
    (path / "results.json").write_text(json.dumps(results))
    return path


def comparison(tmp_path, name, **model) -> list[str]:
    content = {
        "data": str(tmp_path / "films"),
        "out": str(tmp_path / name),
        "text": "{title}",
        "split": {"items": 10, "seed": 1},
        "evaluation": {"metrics": ["recall@5"], "top_k": 5},
        "models": {"tuned": {"model": "ContentBased", **model}},
    }
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(content))
    return ["evaluate", str(tmp_path / "c.yaml")]


def training_from(run, tmp_path) -> list[str]:
    """The command that trains on the films, into `new`, from the encoder of a run."""
    config = {
        "data": str(tmp_path / "films"),
        "out": str(tmp_path / "new"),
        "encoder": str(run / "model"),
        "text": "{title}",
        "split": {"items": 10, "seed": 1},
        "training": {"max_steps": 1},
    }
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(config))
    return ["train", str(tmp_path / "t.yaml")]


def test_a_model_of_a_run_is_guarded_however_it_is_named(run, films, tmp_path, capsys):
    later = tmp_path / "runs" / "b"
    apart = write(tmp_path / "books", ids=range(900, 900 + ITEMS), titles=["x"] * ITEMS, who=1)
    as_trained(later, apart, tmp_path / "books", run / "model", encoder=str(run / "model"))
    for model in (
        {"run": str(run)},
        {"encoder": str(run / "model")},
        {"encoder": f"{run}/model/"},
        {"run": str(later)},  # which began where the other ended
    ):
        assert main(comparison(tmp_path, "table", **model)) == 2
        assert "items held out here" in capsys.readouterr().err
        assert not (tmp_path / "table").exists()
    assert main(training_from(run, tmp_path)) == 2
    assert "items held out here" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_another_reading_is_said_in_results_report_and_table(run, tmp_path, capsys):
    command = comparison(tmp_path, "table", encoder=str(run / "model"))
    assert main([*command, "split.seed=2", "max_seq_length=5"]) == 0
    notes = json.loads((tmp_path / "table" / "results.json").read_text())["notes"]
    assert notes == [
        "tuned: trained on {title}. {genre}, read here as {title}",
        "tuned: trained on up to 7 tokens of a text, reads up to 5 here",
        "tuned: trained with pooling=max, read here with pooling=mean",
        "tuned: trained with missing_text=drop, read here with missing_text=error",
    ]
    printed = capsys.readouterr()
    for note in notes:
        assert note in printed.err
        assert f"note: {note}" in printed.out
        assert note in (tmp_path / "table" / "report.html").read_text()
        assert note in (tmp_path / "table" / "table.md").read_text()
    command = comparison(tmp_path, "same", run=str(run))
    config = yaml.safe_load((run / "config.yaml").read_text())
    (run / "config.yaml").write_text(
        yaml.safe_dump({k: v for k, v in config.items() if k not in ("pooling", "missing_text")})
    )
    results = json.loads((run / "results.json").read_text())
    results["training"] = {"text": "{title}", "max_seq_length": None}
    (run / "results.json").write_text(json.dumps(results))
    assert main([*command, "split.seed=2"]) == 0
    assert "notes" not in json.loads((tmp_path / "same" / "results.json").read_text())


def test_an_encoder_is_traced_to_its_run_by_any_path(run, tmp_path, monkeypatch):
    (run / "checkpoints" / "checkpoint-5").mkdir(parents=True)
    (tmp_path / "latest").symlink_to(run / "model")
    for path in (run / "model", run / "checkpoints" / "checkpoint-5", tmp_path / "latest"):
        assert run_of(str(path)) == run
    assert run_of(str(run / "gone")) is None
    assert run_of(str(run / "split")) is None
    monkeypatch.chdir(run)
    assert run_of("model") == run


def test_a_relative_path_leads_from_where_the_run_was_started(run, tmp_path, encoder_folder):
    apart = write(tmp_path / "books", ids=range(900, 900 + ITEMS), titles=["x"] * ITEMS, who=1)
    later = as_trained(tmp_path / "runs" / "b", apart, "books", encoder_folder, "runs/a/model")
    config = yaml.safe_load((later / "config.yaml").read_text())
    (later / "config.yaml").write_text(yaml.safe_dump({**config, "out": "runs/b"}))
    assert [source.name for source in sources(later)] == ["books", "films"]


def test_what_ancestors_learnt_goes_with_the_run(run, films, tmp_path, capsys):
    titles = [f"book {item:03d} by somebody" for item in range(ITEMS)]
    write(tmp_path / "books", ids=range(900, 900 + ITEMS), titles=titles, who=1)
    later = tmp_path / "b"
    config = {
        "data": str(tmp_path / "books"),
        "out": str(later),
        "encoder": str(run / "model"),
        "text": "{title}. {genre}",
        "pooling": "max",
        "split": {"items": 10, "seed": 1},
        "evaluation": {"metrics": ["recall@5"], "top_k": 5},
        "training": {"max_steps": 1, "users_per_step": 8, "items_per_step": 8},
    }
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(config))
    assert main(["train", str(tmp_path / "t.yaml")]) == 0
    shutil.rmtree(run)
    (before,) = load_before(later / "split")
    assert (before.run, before.name, before.fingerprint) == ("a", "films", films.fingerprint)
    assert before.learnt.pairs is not None
    sent = files_to_upload(later, "bee/books")
    assert f"split/{BEFORE}" in sent
    assert not [path for path in sent if path.endswith(PAIRS)]
    pulled = tmp_path / "pulled"
    for path, content in sent.items():
        if path.split("/")[0] in ("split", "results.json", "config.yaml", "beekit.json"):
            (pulled / path).parent.mkdir(parents=True, exist_ok=True)
            (pulled / path).write_bytes(read(content))
    shutil.copytree(later / "model", pulled / "model")
    for folder in (later, pulled):
        assert main(comparison(tmp_path, "table", run=str(folder))) == 2
        said = capsys.readouterr().err
        assert "a was trained under another split" in said
        assert "items held out here" in said


def test_settings_of_a_run_are_said_however_its_encoder_is_named(run):
    results = json.loads((run / "results.json").read_text())
    row = {"model": "fine-tuned", "scenario": "cold_start/test", "users": 1, "metrics": {}}
    results["rows"] = [{**row, "settings_chosen": "test"}]
    (run / "results.json").write_text(json.dumps(results))
    models = {
        "a": {"model": "ContentBased", "run": str(run)},
        "b": {"model": "ContentBased", "encoder": str(run / "model")},
    }
    config = make_comparison({"data": "d", "out": "o", "models": models})
    split = cold(Dataset.load(Path(run).parent.parent / "films", text="{title}"), 2)
    assert _settings_chosen(config, config.entries(), split) == {"a": "test", "b": "test"}
    training = make_config({"data": "d", "out": "o", "encoder": "e"})
    assert chosen_in_training(training, "pretrained", ["test"]) == "test"
    assert chosen_in_training(training, "fine-tuned", ["test"]) == "test"
    assert chosen_in_training(training, "pretrained") == "defaults"
    assert chosen_in_training(training, "popularity", ["test"]) == "defaults"


def test_an_old_run_is_told_by_its_dataset_while_that_is_there(films, tmp_path, encoder_folder):
    titles = [f"book {item:03d} by somebody" for item in range(ITEMS)]
    write(tmp_path / "books", titles=titles, who=1)
    books = Dataset.load(tmp_path / "books", text="{title}. {genre}")
    old = as_trained(tmp_path / "runs" / "old", books, tmp_path / "books", encoder_folder)
    cold(books, 2).save(old / "split")  # without contents and pairs
    split = zero_shot_split(films.interactions)
    assert require_unseen("tuned", sources(old), films, split) == []
    shutil.move(tmp_path / "books", tmp_path / "moved")
    with pytest.raises(RunError, match="may have been trained") as error:
        require_unseen("tuned", sources(old), films, split)
    assert "Set `data` in that run's config.yaml" in str(error.value)
    config = yaml.safe_load((old / "config.yaml").read_text())
    text = yaml.safe_dump({**config, "data": str(tmp_path / "moved")})
    (old / "config.yaml").write_text(text)
    assert require_unseen("tuned", sources(old), films, split) == []
