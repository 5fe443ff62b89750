"""Folders that one process has: told who, freed by death, nothing left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from beekit import folder_lock
from beekit.errors import RunError
from beekit.files import replacing_folder
from beekit.folder_lock import LOCK_FILE, alone_in, require_new

HOLD = """
import sys
from beekit.folder_lock import alone_in
with alone_in(sys.argv[1]):
    {inside}
    print("has it", flush=True)
    sys.stdin.read()
"""
# A worker that lives on when its parent is killed, as those of a loader do for a while.
FORK = "import os, time; child = os.fork(); child or time.sleep(60); print(child)"


@pytest.fixture
def hold():
    """A function that has another process take a folder."""
    running = []

    def start(folder, inside="pass") -> subprocess.Popen:
        command = [sys.executable, "-c", HOLD.format(inside=inside), str(folder)]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        running.append(process)
        process.said = []
        while (line := process.stdout.readline().strip()) != "has it":
            assert process.poll() is None
            process.said.append(line)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_a_second_process_is_told_who_has_the_folder(hold, tmp_path):
    other = hold(tmp_path / "run")
    with pytest.raises(RunError) as refused, alone_in(tmp_path / "run"):
        raise AssertionError
    said = str(refused.value)
    assert f"process {other.pid} on " in said
    assert "since 2" in said
    assert "\n" not in said
    other.communicate()
    assert not (tmp_path / "run").exists()
    with alone_in(tmp_path / "run"):
        require_new(tmp_path / "run", RunError)  # holds a lock file alone


def test_a_killed_process_frees_the_folder_and_its_file_is_taken_over(hold, tmp_path):
    other = hold(tmp_path / "run")
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert [path.name for path in (tmp_path / "run").iterdir()] == [LOCK_FILE]
    require_new(tmp_path / "run", RunError)
    with alone_in(tmp_path / "run"), pytest.raises(AssertionError):
        hold(tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []


def test_workers_of_a_killed_process_hold_nothing(hold, tmp_path):
    other = hold(tmp_path / "run", FORK)
    child = int(other.said[-1])
    try:
        other.send_signal(signal.SIGKILL)
        other.wait()
        os.kill(child, 0)  # still there
        with alone_in(tmp_path / "run"):
            pass
    finally:
        os.kill(child, signal.SIGKILL)


def test_blocks_of_one_thread_stand_in_one_another_and_another_thread_waits(tmp_path):
    errors = []

    def take():
        try:
            with alone_in(tmp_path / "run"):
                pass
        except RunError as error:
            errors.append(str(error))

    with alone_in(tmp_path / "run"), alone_in(tmp_path / "x" / ".." / "run"):
        thread = threading.Thread(target=take)
        thread.start()
        thread.join()
    assert len(errors) == 1
    assert not (tmp_path / "run").exists()


def test_what_was_written_stays_and_what_was_there_is_not_removed(tmp_path):
    (tmp_path / "empty").mkdir()
    with alone_in(tmp_path / "empty"):
        pass
    with alone_in(tmp_path / "a" / "b"):
        pass
    with alone_in(tmp_path / "run"):
        (tmp_path / "run" / "file").write_text("x")
    with alone_in(tmp_path / "not there", make=False):
        pass
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["empty", "file", "run"]


def test_a_folder_that_another_takes_the_place_of_keeps_its_files(tmp_path):
    with alone_in(tmp_path / "run"), replacing_folder(tmp_path / "run") as staging:
        (staging / "file").write_text("x")
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["file"]
    assert not [p for p in tmp_path.iterdir() if p.name != "run"]


def test_a_file_in_its_place_is_refused(tmp_path):
    (tmp_path / "run").write_text("x")
    with pytest.raises(RunError, match="is a file"), alone_in(tmp_path / "run"):
        raise AssertionError


def test_a_file_system_without_locks_is_said_once(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(folder_lock, "take_lock", lambda _: False)
    with alone_in(tmp_path / "run"), alone_in(tmp_path / "run"):
        assert (tmp_path / "run" / LOCK_FILE).is_file()
    assert [r.message for r in caplog.records if "without locks" in r.message] != []
    assert len(caplog.records) == 1
