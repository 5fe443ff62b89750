"""What is said of a configuration's keys is made from their declaration."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from beekit.cli import main
from beekit.run.config_keys import COMMANDS, keys, markdown, schema
from beekit.training.keys import REFUSED, key_types

ROOT = Path(__file__).parents[2]


def test_the_page_of_keys_is_what_their_declarations_say():
    assert (ROOT / "train" / "KEYS.md").read_text() == markdown(), (
        "write it again: open('train/KEYS.md', 'w').write(beekit.run.config_keys.markdown())"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_key_has_a_meaning_and_is_listed(command, capsys):
    listed = [key for found in keys(command).values() for key in found]
    assert all(key.meaning.strip(" .") and key.type for key in listed)
    names = {key.name for key in listed}
    assert {"data", "split.fraction", "evaluation.top_k", "chosen_on"} <= names
    with pytest.raises(SystemExit) as stopped:
        main([command, "--keys"])
    assert stopped.value.code == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in names)
    if command == "train":
        assert all(name in printed for name in (*key_types(), *REFUSED))


@pytest.mark.parametrize(("command", "folder"), [("train", "train"), ("evaluate", "eval")])
def test_the_schema_knows_every_key_of_the_recipes(command, folder, capsys):
    with pytest.raises(SystemExit):
        main([command, "--schema"])
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads(json.dumps(schema(command)))
    references = set(re.findall(r"#/\$defs/(\w+)", json.dumps(found)))
    assert references <= set(found["$defs"])
    kinds = {one["properties"]["kind"].get("const"): one for one in _kinds(found)}
    for path in (ROOT / folder / "recipes").glob("*.yaml"):
        content = yaml.safe_load(path.read_text())
        assert set(content) <= set(found["properties"]), path
        kind = kinds[content["split"]["kind"]]
        assert set(content["split"]) <= set(kind["properties"]), path
        assert set(kind.get("required", ())) <= set(content["split"]), path
        if command == "train":
            inside = found["properties"]["training"]["properties"]
            assert set(content["training"]) <= set(inside), path


def _kinds(found):
    return found["$defs"]["SplitConfig"]["anyOf"]


def test_a_configuration_s_library_is_imported_where_one_is_read_alone():
    code = (
        "import sys, beekit, beekit.cli; beekit.cli._parser(); "
        "assert not {'pydantic', 'yaml', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
