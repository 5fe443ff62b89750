"""`beekit describe`: the script as a command."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mock_chat_server import ChatServer, Say

from beekit.cli import main


def test_options_may_come_before_the_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    pq.write_table(pa.table({"item_id": [1, 2], "title": ["a", "b"]}), tmp_path / "items.parquet")
    with ChatServer(lambda question, _: Say("A thing.")) as server:
        arguments = ["describe", "--fields", "{title}", "--model", "m", "--endpoint", server.url]
        assert main([*arguments, str(tmp_path)]) == 0
    assert "2 of 2 items described" in capsys.readouterr().out
    described = pq.read_table(tmp_path / "items.parquet")["description"].to_pylist()
    assert described == ["A thing."] * 2


def test_what_the_user_can_mend_is_one_line(tmp_path, capsys):
    given = ["describe", str(tmp_path / "absent"), "--fields", "{title}", "--model", "absent"]
    assert main(given) == 2
    error = capsys.readouterr().err
    assert error.startswith("beekit describe: ")
    assert error.count("\n") == 1


def test_help_is_the_commands_own(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["describe", "--help"])
    assert ended.value.code == 0
    assert "--retry-refusals" in capsys.readouterr().out
