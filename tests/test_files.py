"""Outputs appear complete or not at all."""

from __future__ import annotations

import json

import pytest

from beekit.files import replacing_folder, write_json, write_text


def visible(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def fail_after_writing(folder, name: str) -> None:
    with replacing_folder(folder) as staging:
        (staging / name).write_text("half")
        raise RuntimeError


def test_a_folder_appears_when_the_block_ends_and_not_before(tmp_path):
    target = tmp_path / "deep" / "run"
    with replacing_folder(target) as staging:
        (staging / "a.txt").write_text("a")
        assert not target.exists()
    assert visible(target) == ["a.txt"]
    assert [path.name for path in target.parent.iterdir()] == ["run"]


def test_a_failed_block_leaves_nothing_under_the_final_name(tmp_path):
    target = tmp_path / "run"
    with pytest.raises(RuntimeError):
        fail_after_writing(target, "a.txt")
    assert visible(tmp_path) == []


def test_a_failed_block_leaves_the_old_content(tmp_path):
    target = tmp_path / "run"
    target.mkdir()
    (target / "old.txt").write_text("old")
    with pytest.raises(RuntimeError):
        fail_after_writing(target, "new.txt")
    assert visible(tmp_path) == ["run"]
    assert visible(target) == ["old.txt"]
    assert (target / "old.txt").read_text() == "old"


def test_the_new_folder_replaces_the_old_one_whole(tmp_path):
    target = tmp_path / "run"
    for name in ("first.txt", "second.txt"):
        with replacing_folder(target) as staging:
            (staging / name).write_text(name)
    assert visible(target) == ["second.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_leftovers_of_a_failed_block_do_not_get_into_the_next(tmp_path):
    target = tmp_path / "run"
    with pytest.raises(RuntimeError):
        fail_after_writing(target, "stale.txt")
    with replacing_folder(target) as staging:
        assert list(staging.iterdir()) == []
        (staging / "new.txt").write_text("new")
    assert visible(target) == ["new.txt"]


def test_text_is_written_whole_as_utf8(tmp_path):
    path = tmp_path / "card.md"
    write_text(path, "vůně")
    write_text(path, "čaj")
    assert path.read_bytes() == "čaj".encode()
    assert [p.name for p in tmp_path.iterdir()] == ["card.md"]


def test_text_that_cannot_be_written_leaves_the_old_text(tmp_path):
    path = tmp_path / "card.md"
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "x" * 100_000 + "\ud800")
    assert not path.exists()
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "x" * 100_000 + "\ud800")
    assert path.read_text() == "old"


def test_json_reads_back_and_a_failure_leaves_the_old_content(tmp_path):
    path = tmp_path / "results.json"
    write_json(path, {"name": "čaj", "rows": [1, 2.5]})
    assert "čaj" in path.read_text(encoding="utf-8")
    with pytest.raises(TypeError):
        write_json(path, {"rows": [1, object()]})
    assert json.loads(path.read_text(encoding="utf-8")) == {"name": "čaj", "rows": [1, 2.5]}
