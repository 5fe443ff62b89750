"""The command line: what it says of itself, recipes by name, and one line for each mistake."""

from __future__ import annotations

import runpy
import sys

import pytest
import yaml

import beekit
from beekit.cli import main
from beekit.commands import COMMANDS
from beekit.errors import DataError
from beekit.exit_codes import exit_code
from beekit.progress import progress_bar
from beekit.recipes import find_config, recipes


def test_the_version_comes_alone_and_with_those_of_libraries(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"beekit {beekit.__version__}\n"
    for arguments in (["--version", "--verbose"], ["--verbose", "--version"]):
        assert main(arguments) == 0
        own, libraries = capsys.readouterr().out.splitlines()
        assert own == f"beekit {beekit.__version__}"
        for name in ("torch", "sentence-transformers", "transformers", "faiss-"):
            assert name in libraries


def test_the_package_runs_as_the_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["beekit", "--version"])
    monkeypatch.delitem(sys.modules, "beekit.__main__", raising=False)
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module("beekit", run_name="__main__")
    assert stopped.value.code == 0
    assert capsys.readouterr().out.startswith("beekit ")


# `describe` reads its options itself, and shows its own examples.
@pytest.mark.parametrize(
    "command", [c for c in COMMANDS if c.name != "describe"], ids=lambda one: one.name
)
def test_the_help_of_every_command_ends_with_an_example(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command.name, "--help"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out.endswith(f"example:\n  beekit {command.example[7:]}\n")
    assert command.example.startswith(f"beekit {command.name}")


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_recipes_are_listed_with_what_they_are(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--list"])
    assert stopped.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(recipes(command))
    assert "ml1m" in " ".join(lines)
    assert all(line.endswith(".") for line in lines), "the first comment is a sentence"


def test_a_recipe_goes_by_its_name_and_a_file_of_that_name_goes_first(tmp_path, monkeypatch):
    recipe = find_config("train", "ml1m")
    assert yaml.safe_load(recipe.read_text())["data"] == "ml1m"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ml1m").write_text("data: mine\n")
    assert find_config("train", "ml1m").read_text() == "data: mine\n"


@pytest.mark.parametrize(("name", "near"), [("mlm1", "ml1m"), ("a/goodlans.yaml", "goodlens")])
def test_what_is_neither_file_nor_recipe_ends_in_one_line_with_the_nearest(name, near, capsys):
    assert main(["train", name, "data=x"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"beekit: no file and no recipe {name}; expected")
    assert f"such as {near}." in line


def test_overrides_reach_into_a_recipe(capsys, tmp_path):
    missing = tmp_path / "nothing"
    assert main(["train", "ml1m", f"data={missing}", "encoder=x", f"out={tmp_path / 'run'}"]) == 2
    assert str(missing) in capsys.readouterr().err


def test_an_error_begins_a_line_after_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    def work():
        bar = progress_bar(range(5), "work")
        next(iter(bar))
        raise DataError("a", expected="b", remedy="C.")

    assert exit_code("beekit", work, room="room") == 2
    assert capsys.readouterr().err.split("\n")[-2] == "beekit: a; expected b. C."


def test_a_log_gets_lines_and_not_redraws(monkeypatch, capsys):
    monkeypatch.setattr("beekit.progress._EVERY", 0.02)
    import time

    for _ in progress_bar(range(40), "long", unit="step"):
        time.sleep(0.005)
    for _ in progress_bar(range(40), "short", unit="step"):
        pass
    told = capsys.readouterr().err
    assert "\r" not in told
    lines = told.splitlines()
    assert 2 <= len(lines) <= 20
    assert all(line.startswith("long: ") for line in lines)
    assert lines[-1].startswith("long: 40/40 [")
