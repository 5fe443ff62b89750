"""Describing a dataset folder: killed, interrupted, asked again, asked otherwise."""

from __future__ import annotations

import csv
import json
import os
import random
import re
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mock_chat_server import ChatServer, Cut, Fail, Say

from beekit.data.dataset import Dataset
from beekit.describe.chat import Reply
from beekit.describe.job import describe
from beekit.describe.task import PROMPT, Task
from beekit.errors import ConfigError, DataError, DescribeError

SCRIPT = Path(__file__).parents[2] / "data_prep" / "describe.py"
TASK = Task("{title}. {kind}")


class Scripted:
    """A model that answers by a function of the question, two at a time."""

    def __init__(self, answer=lambda question: f"About {title(question)}.", model="m"):
        self.answer = answer
        self.model = model
        self.asked: list[str] = []

    @property
    def identity(self):
        return {"model": self.model, "temperature": 0.0}

    def answers(self, questions):
        for start in range(0, len(questions), 2):
            batch = []
            for at in range(start, min(start + 2, len(questions))):
                self.asked.append(title(questions[at]))
                reply = self.answer(questions[at])
                batch.append((at, reply if isinstance(reply, Reply) else Reply(reply)))
            yield batch


def title(question):
    return re.search(r"item \d+", question)[0]


def make_folder(folder, items, **columns):
    folder.mkdir()
    table = {"item_id": [f"i{row}" for row in range(items)]}
    table["title"] = [f"item {row}" for row in range(items)]
    table["kind"] = ["toner"] * items
    pq.write_table(pa.table({**table, **columns}), folder / "items.parquet")
    events = {"user_id": ["u"] * items, "item_id": table["item_id"]}
    pq.write_table(pa.table(events), folder / "interactions.parquet")
    return folder


@pytest.fixture
def folder(tmp_path):
    return make_folder(tmp_path / "shop", 7)


def described(folder, column="description"):
    return pq.read_table(folder / "items.parquet").column(column).to_pylist()


def about(*rows):
    return [f"About item {row}." for row in rows]


def set_column(folder, name, values):
    path = folder / "items.parquet"
    table = pq.read_table(path)
    at = table.column_names.index(name) if name in table.column_names else table.num_columns
    table = table.drop_columns(name) if name in table.column_names else table
    pq.write_table(table.add_column(at, name, pa.array(values)), path)


def test_every_item_gets_its_description_and_the_record_says_how(folder):
    model = Scripted(lambda q: Reply(f"About {title(q)}.", prompt_tokens=9, answer_tokens=3))
    done = describe(folder, model, TASK)
    assert described(folder) == about(*range(7))
    assert (done.described, done.asked, done.tokens, done.written) == (7, 7, (63, 21), True)
    record = json.loads((folder / "descriptions.json").read_text())
    assert record["model"] == "m"
    assert record["prompt"] == TASK.prompt
    assert record["fields"] == "{title}. {kind}"
    assert record["tokens"] == {"read": 63, "written": 21}
    assert (record["items"], record["described"], record["refused"]) == (7, 7, {})
    assert (folder / "refusals.csv").read_text() == "item_id,reason,answer\n"


def test_the_question_is_the_prompt_with_the_items_fields(folder):
    seen = []
    task = Task("{title} ({kind})", "What is {item}, with {braces}?")
    describe(folder, Scripted(lambda q: seen.append(q) or "A thing."), task, limit=1)
    assert seen == ["What is item 0 (toner), with {braces}?"]


def test_an_answer_is_judged_beside_its_own_items_fields(tmp_path):
    titles = ["I Can't Write Left-Handed: item 0", "item 1"]
    folder = make_folder(tmp_path / "shop", 2, title=titles)
    done = describe(folder, Scripted(lambda _: "I Can't Write Left-Handed is a song."), TASK)
    assert described(folder) == ["I Can't Write Left-Handed is a song.", None]
    assert [entry.reason for entry in done.refused] == ["refusal"]


def test_a_second_run_asks_nothing_and_leaves_the_table(folder):
    describe(folder, Scripted(), TASK)
    before = (folder / "items.parquet").stat()
    again = Scripted()
    done = describe(folder, again, TASK)
    assert again.asked == []
    assert (done.described, done.asked) == (7, 0)
    after = (folder / "items.parquet").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_items_whose_fields_changed_and_new_ones_are_asked_again_alone(folder):
    describe(folder, Scripted(), TASK)
    set_column(folder, "kind", ["toner"] * 5 + ["drum", "toner"])
    model = Scripted(lambda q: "A drum." if "drum" in q else "Wrong.")
    describe(folder, model, TASK)
    assert model.asked == ["item 5"]
    assert described(folder) == [*about(0, 1, 2, 3, 4), "A drum.", *about(6)]
    set_column(folder, "kind", ["toner"] * 7)  # back again: the last answer was to something else
    describe(folder, model := Scripted(), TASK)
    assert model.asked == ["item 5"]
    assert described(folder) == about(*range(7))


def test_refused_items_are_null_listed_and_asked_again_only_on_request(folder):
    def answer(question):
        return {"item 2": "I'm sorry, but I can't help.", "item 4": ""}.get(
            title(question), f"About {title(question)}."
        )

    done = describe(folder, Scripted(answer), TASK)
    assert described(folder) == [*about(0, 1), None, *about(3), None, *about(5, 6)]
    assert [(entry.item_id, entry.reason) for entry in done.refused] == [
        ("i2", "refusal"),
        ("i4", "empty"),
    ]
    with (folder / "refusals.csv").open() as file:
        assert list(csv.reader(file)) == [
            ["item_id", "reason", "answer"],
            ["i2", "refusal", "I'm sorry, but I can't help."],
            ["i4", "empty", ""],
        ]
    assert json.loads((folder / "descriptions.json").read_text())["refused"] == {
        "refusal": 1,
        "empty": 1,
    }
    describe(folder, model := Scripted(), TASK)
    assert model.asked == []
    describe(folder, model, TASK, retry_refusals=True)
    assert model.asked == ["item 2", "item 4"]
    assert described(folder) == about(*range(7))


def test_items_without_description_are_left_to_the_policy_on_missing_texts(folder):
    refuse = Scripted(lambda q: "" if title(q) == "item 2" else "A thing.")
    describe(folder, refuse, TASK)
    with pytest.raises(DataError, match="1 of 7 items have no text"):
        Dataset.load(folder, text="{description}")
    dataset = Dataset.load(folder, text="{description}", missing_text="drop")
    assert len(dataset.catalog) == 6


def test_items_without_fields_are_not_asked_about_and_listed(tmp_path):
    folder = make_folder(tmp_path / "shop", 3, title=["item 0", "", None], kind=["", None, " "])
    done = describe(folder, model := Scripted(), TASK)
    assert model.asked == ["item 0"]
    assert (done.without_fields, described(folder)) == (2, [*about(0), None, None])
    assert "i1,no text in its fields," in (folder / "refusals.csv").read_text()


def test_with_a_limit_the_table_waits_until_none_is_left(folder):
    before = (folder / "items.parquet").read_bytes()
    done = describe(folder, Scripted(), TASK, limit=3)
    assert (done.asked, done.left, done.written) == (3, 4, False)
    assert (folder / "items.parquet").read_bytes() == before
    describe(folder, model := Scripted(), TASK)
    assert model.asked == [f"item {row}" for row in (3, 4, 5, 6)]
    assert described(folder) == about(*range(7))


def test_unanswered_items_are_asked_again_by_the_next_run(folder):
    failing = Scripted(
        lambda q: (
            Reply("", problem="HTTP 500", unanswered=True)
            if title(q) == "item 1"
            else f"About {title(q)}."
        )
    )
    done = describe(folder, failing, TASK)
    assert (done.unanswered, done.described, done.refused) == (1, 6, [])
    assert described(folder)[1] is None
    describe(folder, model := Scripted(), TASK)
    assert model.asked == ["item 1"]
    assert described(folder) == about(*range(7))


def test_what_was_answered_before_an_interrupt_is_kept(folder):
    before = (folder / "items.parquet").read_bytes()

    def answer(question):
        if title(question) == "item 4":
            raise KeyboardInterrupt
        return f"About {title(question)}."

    with pytest.raises(KeyboardInterrupt):
        describe(folder, Scripted(answer), TASK)
    assert (folder / "items.parquet").read_bytes() == before
    describe(folder, model := Scripted(), TASK)
    assert model.asked == ["item 4", "item 5", "item 6"]


@pytest.mark.parametrize(
    ("task", "model"),
    [
        (Task("{title}"), "m"),
        (Task("{title}. {kind}", "Say what {item} is."), "m"),
        (TASK, "another"),
    ],
    ids=["fields", "prompt", "model"],
)
def test_another_task_is_refused_before_anything_is_asked(folder, task, model):
    describe(folder, Scripted(), TASK, limit=1)
    other = Scripted(model=model)
    with pytest.raises(DescribeError, match="was begun with"):
        describe(folder, other, task)
    assert other.asked == []
    column = Task(task.fields, task.prompt, "short")
    describe(folder, other, column)
    assert described(folder, "short") == about(*range(7))
    names = {path.name for path in folder.iterdir()}
    assert {"descriptions.short.jsonl", "descriptions.short.json", "refusals.short.csv"} <= names


def test_a_column_that_is_not_ours_is_refused_before_anything_is_asked(folder):
    describe(folder, Scripted(), TASK)
    set_column(folder, "description", ["mine"] * 7)
    with pytest.raises(DataError, match="is not in the journal"):
        describe(folder, model := Scripted(), TASK)
    (folder / "descriptions.jsonl").unlink()
    with pytest.raises(DataError, match=r"no journal descriptions\.jsonl"):
        describe(folder, model, TASK)
    assert model.asked == []
    assert described(folder) == ["mine"] * 7


def test_a_csv_folder_is_described_too(tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "items.csv").write_text('item_id,title,kind\n01,item 1,"a, b"\n02,item 2,\n')
    answers = {"item 1": 'Says "a", b.', "item 2": ""}
    describe(folder, Scripted(lambda q: answers[title(q)]), TASK)
    with (folder / "items.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["item_id", "title", "kind", "description"],
            ["01", "item 1", "a, b", 'Says "a", b.'],
            ["02", "item 2", "", ""],
        ]
    describe(folder, model := Scripted(), TASK)
    assert model.asked == []


def test_embedded_pictures_are_not_touched(tmp_path):
    photos = [{"bytes": bytes([row]) * 99, "path": f"{row}.png"} for row in range(3)]
    folder = make_folder(tmp_path / "shop", 3, photo=photos)
    before = pq.read_table(folder / "items.parquet")
    describe(folder, Scripted(), TASK)
    after = pq.read_table(folder / "items.parquet")
    assert after.column("photo").to_pylist() == photos
    assert after.drop_columns("description").equals(before, check_metadata=True)


def test_a_table_that_changed_meanwhile_is_not_mixed_up(folder):
    def answer(question):
        if title(question) == "item 4":
            table = pq.read_table(folder / "items.parquet")
            pq.write_table(table.slice(1), folder / "items.parquet")
        return f"About {title(question)}."

    with pytest.raises(DescribeError, match="changed while"):
        describe(folder, Scripted(answer), TASK)
    describe(folder, model := Scripted(), TASK)
    assert model.asked == []
    assert described(folder) == about(*range(1, 7))


def test_repeated_ids_are_refused(tmp_path):
    folder = make_folder(tmp_path / "shop", 3, item_id=[7, 5, 7])
    with pytest.raises(DataError, match="repeats 1 item ids"):
        describe(folder, Scripted(), TASK)


def test_integer_ids_are_known_again(tmp_path):
    folder = make_folder(tmp_path / "shop", 3, item_id=[7, 5, 6])
    describe(folder, Scripted(), TASK, limit=2)
    describe(folder, model := Scripted(), TASK)
    assert model.asked == ["item 2"]


def test_fields_that_are_not_there_are_refused(folder):
    with pytest.raises(DataError, match="names titel"):
        describe(folder, Scripted(), Task("{titel}"))
    assert not (folder / "descriptions.jsonl").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"prompt": "What is it?"},
        {"column": "title"},
        {"column": "item_id"},
        {"column": "a/b"},
        {"column": ""},
    ],
)
def test_a_task_checks_itself(wrong):
    with pytest.raises(ConfigError):
        Task(**{"fields": "{title}", **wrong})


def test_the_default_prompt_asks_for_one_paragraph_without_lists_or_other_items():
    for needed in ("one paragraph", "no list", "Name no other item", "{item}"):
        assert needed in PROMPT


# The script, as a process.


def command(folder, server, *more, path=""):
    return [
        *(sys.executable, str(SCRIPT), str(folder), "--fields", "{title}. {kind}"),
        *("--model", "m", "--endpoint", f"{server.url}{path}", "--timeout", "5", *more),
    ]


def environment(**more):
    kept = {name: value for name, value in os.environ.items() if name != "BEEKIT_API_KEY"}
    return {**kept, "NO_PROXY": "127.0.0.1", **more}


def journaled(folder):
    """Ids in the whole lines of the journal, with the torn line's, if any, left out."""
    path = folder / "descriptions.jsonl"
    whole = path.read_bytes().rpartition(b"\n")[0].splitlines() if path.exists() else []
    return [json.loads(line)["item_id"] for line in whole[1:]]


def test_killed_three_times_each_item_is_described_once_and_what_was_kept_is_not_asked_again(
    tmp_path,
):
    items, kills = 1000, 3
    folder = make_folder(tmp_path / "shop", items)
    table = (folder / "items.parquet").read_bytes()
    generator = random.Random(20)
    refusing = {f"item {row}" for row in generator.sample(range(items), 25)}
    empty = {f"item {row}" for row in generator.sample(range(items), 15)} - refusing

    def plan(question, before):
        number = int(title(question).split()[1])
        if before == 0 and number % 40 == 7:
            return (Fail(500), Cut(), Fail(429, headers={"Retry-After": "0"}))[number % 3]
        if title(question) in refusing:
            return Say("I'm sorry, but I can't describe this item.")
        if title(question) in empty:
            return Say(" \n")
        return Say(f"Here is a description:\n\nAbout {title(question)}.\n\nIt is one.", after=0.005)

    with ChatServer(plan) as server:
        asked_at = [int((run + generator.random()) * items / 4) + 20 for run in range(kills)]
        kept = [set()]  # what the journal had when each run began
        for run, moment in enumerate(asked_at):
            process = subprocess.Popen(
                command(folder, server, path=f"/run{run}/v1"),
                env=environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            deadline = time.monotonic() + 60
            while len(server.log) < moment:
                assert process.poll() is None, process.communicate()[0]
                assert time.monotonic() < deadline
                time.sleep(0.001)
            time.sleep(generator.random() * 0.05)
            process.kill()
            process.communicate()
            assert process.returncode == -signal.SIGKILL
            assert (folder / "items.parquet").read_bytes() == table
            kept.append(set(journaled(folder)))
            assert len(kept[-1]) > len(kept[-2])  # it went on
        with (folder / "descriptions.jsonl").open("ab") as journal:
            journal.write(b'{"item_id": "i0", "asked": "torn')
        last = subprocess.run(
            command(folder, server, path=f"/run{kills}/v1"),
            env=environment(),
            capture_output=True,
            text=True,
            check=True,
        )

    rows = journaled(folder)
    assert len(rows) == len(set(rows)) == items  # none twice
    expected = [
        None if f"item {row}" in refusing | empty else f"About item {row}. It is one."
        for row in range(items)
    ]
    assert described(folder) == expected
    with (folder / "refusals.csv").open() as file:
        listed = {row["item_id"]: row["reason"] for row in csv.DictReader(file)}
    assert listed == {
        **{f"i{name.split()[1]}": "refusal" for name in refusing},
        **{f"i{name.split()[1]}": "empty" for name in empty},
    }
    assert f"{items - len(refusing | empty)} of 1,000 items described" in last.stdout
    assert "25 without description: refusal" in last.stdout

    # By the server's own log, a run asked nothing that the journal had when it began.
    for run, before in enumerate(kept):
        asked = {
            title(asked.question).replace("item ", "i")
            for asked in server.log
            if asked.path.startswith(f"/run{run}/")
        }
        assert asked
        assert not asked & before
    assert len(asked) == items - len(kept[-1])


def test_a_wrong_key_is_one_line_and_exit_code_2_and_no_file_has_the_key(folder):
    with ChatServer(lambda *_: Fail(401, '{"error": "bad key sk-secret"}')) as server:
        done = subprocess.run(
            command(folder, server),
            env=environment(BEEKIT_API_KEY="sk-secret"),
            capture_output=True,
            text=True,
        )
        assert server.log[0].key == "Bearer sk-secret"
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "HTTP 401; expected a key that it accepts. Set BEEKIT_API_KEY" in done.stderr
    assert "sk-secret" not in done.stderr + done.stdout
    assert not any(b"sk-secret" in path.read_bytes() for path in folder.iterdir())


def test_ctrl_c_ends_at_once_with_130_and_what_is_done_kept(folder):
    def plan(question, _):
        return Say("A thing.", after=0 if title(question) == "item 0" else 30)

    with ChatServer(plan) as server:
        process = subprocess.Popen(
            command(folder, server),
            env=environment(),
            stderr=subprocess.PIPE,
            text=True,
            # Started in the background, a shell's children ignore it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        deadline = time.monotonic() + 30
        while journaled(folder) != ["i0"] and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=10)
    assert process.returncode == 130
    assert error == "describe: interrupted; the same command goes on where it stopped\n"
    assert journaled(folder) == ["i0"]


@pytest.mark.parametrize(
    ("more", "found"),
    [
        (["--extra", "{"], "--extra {"),
        (["--extra", "[1]"], "--extra [1]"),
        (["--prompt", "/no/such/file"], "/no/such/file"),
        (["--max-tokens", "0"], "max_tokens=0"),
        (["--endpoint", "host"], "'host'"),
    ],
)
def test_what_cannot_be_meant_is_one_line_and_exit_code_2(folder, more, found, monkeypatch, capsys):
    arguments = [str(SCRIPT), str(folder), "--fields", "{title}", "--model", "m"]
    monkeypatch.setattr(sys, "argv", [*arguments, "--endpoint", "http://127.0.0.1:1", *more])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    error = capsys.readouterr().err
    assert caught.value.code == 2
    assert found in error
    assert error.count("\n") == 1
