"""`beekit prepare`: the scripts of `data_prep/` as a command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import raw_formats

from beekit.cli import main
from beekit.prepare.command import listing

SCRIPTS = Path(__file__).parent.parent.parent / "data_prep"


def call(*arguments):
    """The exit code of the command line."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as ended:
        return ended.code


def test_every_script_is_a_dataset_of_the_list(capsys):
    assert call("prepare", "--list") == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == sorted(path.stem for path in SCRIPTS.glob("*.py") if path.stem != "describe")
    assert "ml1m          MovieLens 1M\n" in listing()


def test_the_command_takes_the_arguments_of_the_script(publisher, tmp_path, capsys):
    raw, out = raw_formats.ml1m(), tmp_path / "films"
    publisher.files |= raw.files
    given = ("--url", publisher.url, "--user-min-support", 1, "--duplicates", "first")
    assert call("prepare", "ml1m", out, *given) == 0
    assert "MovieLens 1M: " in capsys.readouterr().out
    filters = json.loads((out / "manifest.json").read_text())["filters"]
    assert filters == {
        "min_value": 4.0, "user_min_support": 1, "duplicates": "first", "items": None
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["ml10m", "out"], 2, "beekit: no dataset 'ml10m'; expected one of amazon2023, "),
        (["hm", "out", "--raw", "/no/such"], 2, "beekit prepare hm: no file /no/such; "),
    ],
)
def test_what_the_user_can_mend_is_one_line(arguments, code, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call("prepare", *arguments) == code
    error = capsys.readouterr().err
    assert error.startswith(said)
    assert error.count("\n") == 1


def test_help_is_the_datasets_own(capsys):
    assert call("prepare", "hm", "--help") == 0
    assert "--no-images" in capsys.readouterr().out
