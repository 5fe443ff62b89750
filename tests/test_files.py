"""Outputs appear complete or not at all."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

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
    assert list(tmp_path.iterdir()) == []


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


def test_an_interrupt_leaves_nothing_either(tmp_path):
    with pytest.raises(KeyboardInterrupt), replacing_folder(tmp_path / "run"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_two_that_make_one_folder_do_not_disturb_each_other(tmp_path):
    target = tmp_path / "run"
    with replacing_folder(target) as first:
        (first / "a.txt").write_text("first")
        with replacing_folder(target) as second:
            (second / "a.txt").write_text("second")
            assert first != second
            assert (first / "a.txt").read_text() == "first"
        assert (target / "a.txt").read_text() == "second"
    assert (target / "a.txt").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


KILLED = """
import os, signal, sys
from pathlib import Path
import beekit.files as files
rename, renamed = Path.rename, []
def dying(self, target):
    if len(renamed) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    renamed.append(target)
    return rename(self, target)
Path.rename = dying
with files.replacing_folder(sys.argv[1]) as staging:
    (staging / "new.txt").write_text("new")
"""


@pytest.mark.parametrize("renames", [0, 1])
def test_after_a_kill_the_old_folder_is_there_again_and_nothing_else(tmp_path, renames):
    target = tmp_path / "run"
    target.mkdir()
    (target / "old.txt").write_text("old")
    ended = subprocess.run([sys.executable, "-c", KILLED, target, str(renames)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert target.exists() == (renames == 0)
    with pytest.raises(RuntimeError):
        fail_after_writing(target, "other.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert (target / "old.txt").read_text() == "old"


def test_a_folder_that_cannot_be_put_in_place_leaves_the_old_one(tmp_path, monkeypatch):
    target, rename = tmp_path / "run", Path.rename
    target.mkdir()
    (target / "old.txt").write_text("old")

    def failing(self, to):
        if self.name.endswith(".partial"):
            raise OSError
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError), replacing_folder(target):  # noqa: PT011 - it has no message
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert (target / "old.txt").read_text() == "old"


def test_leftovers_under_the_names_of_earlier_versions_go_too(tmp_path):
    for name in (".run.partial", ".run.retired", ".run2.partial", ".run.x.partial"):
        (tmp_path / name).mkdir()
    (tmp_path / "run").mkdir()
    with replacing_folder(tmp_path / "run"):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"run", ".run2.partial", ".run.x.partial"}


def test_a_folder_in_a_folder_that_is_being_made(tmp_path):
    with replacing_folder(tmp_path / "run") as run, replacing_folder(run / "model") as model:
        assert model.name.endswith(".partial")
        (model / "a.txt").write_text("a")
    assert visible(tmp_path / "run") == ["model"]


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
