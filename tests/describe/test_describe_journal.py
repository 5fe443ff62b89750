"""The journal of answers: kills, other settings, other processes."""

from __future__ import annotations

import json

import pytest

from beekit.describe.journal import Entry, Journal
from beekit.errors import DescribeError

HEADER = {"model": "m", "prompt": "p", "temperature": 0.0}
FIRST = Entry(1, "aa", text="A toner.", tokens=(5, 2))
SECOND = Entry("b", "bb", reason="refusal", answer="I can't \ud83d\nhelp", tokens=(5, 4))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "descriptions.jsonl"
    with Journal(path, HEADER) as journal:
        journal.append([FIRST])
        journal.append([SECOND])
    return path


def entries(path):
    with Journal(path, HEADER) as journal:
        return journal.entries


def test_what_was_appended_is_read_again(path):
    assert entries(path) == [FIRST, SECOND]
    assert len(path.read_text().splitlines()) == 3


def test_a_journal_cut_anywhere_keeps_every_whole_line_and_goes_on(path):
    content = path.read_bytes()
    ends = [at + 1 for at, byte in enumerate(content) if byte == ord("\n")]
    for length in sorted({0, 1, 40, 150, *(end + by for end in ends for by in (-2, -1, 0, 1))}):
        path.write_bytes(content[:length])
        whole = [FIRST, SECOND][: max(content[:length].count(b"\n") - 1, 0)]
        with Journal(path, HEADER) as journal:
            assert journal.entries == whole
            journal.append([SECOND])
        assert entries(path) == [*whole, SECOND]


@pytest.mark.parametrize("other", [{"model": "n"}, {"prompt": "x" * 99}, {"temperature": 1.0}])
def test_other_settings_are_refused_in_one_line(path, other):
    before = path.read_bytes()
    with pytest.raises(DescribeError) as caught:
        Journal(path, HEADER | other)
    assert f"{next(iter(other))}=" in caught.value.found
    assert "column" in caught.value.remedy
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


def test_a_journal_without_answers_takes_other_settings(tmp_path):
    path = tmp_path / "j.jsonl"
    Journal(path, HEADER).__exit__(None, None, None)
    with Journal(path, HEADER | {"model": "n"}):
        pass
    assert [json.loads(line)["model"] for line in path.read_text().splitlines()] == ["n"]


@pytest.mark.parametrize("line", ["{", "[]", '{"item": 1}', '{"item_id": 1}'])
def test_a_line_that_is_none_of_ours_is_named(path, line):
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], line, lines[2]]) + "\n")
    with pytest.raises(DescribeError, match="line 2 of"):
        Journal(path, HEADER)


@pytest.mark.parametrize("content", ["1\n", "{}\n", '{"item_id": 1}\n{"item_id": 2}\n'])
def test_another_kind_of_file_is_left_alone(tmp_path, content):
    path = tmp_path / "j.jsonl"
    path.write_text(content)
    with pytest.raises(DescribeError, match="line 1 of"):
        Journal(path, HEADER)
    assert path.read_text() == content


def test_one_process_at_a_time(path):
    with (
        Journal(path, HEADER),
        pytest.raises(DescribeError, match="another process"),
    ):
        Journal(path, HEADER)
