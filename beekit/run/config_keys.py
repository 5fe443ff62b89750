"""Every key of a configuration: a table for readers, and a JSON schema for editors."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic.fields import FieldInfo

from beekit.config_model import ConfigModel, described, type_schema
from beekit.data.table_file import TableFile
from beekit.run.comparison import Comparison
from beekit.run.config import Config
from beekit.run.data_config import DataConfig, DatasetEntry
from beekit.split.kinds import KINDS
from beekit.training.keys import ALIASES, PASSED, REFUSED, WORKS, key_types

COMMANDS: dict[str, type[DataConfig]] = {"train": Config, "evaluate": Comparison}
TRAINER_PAGE = (
    "https://huggingface.co/docs/transformers/main_classes/trainer#transformers.TrainingArguments"
)
_HEAD = """# Keys of a configuration

Made from their declarations by `beekit.run.config_keys.markdown`; `beekit train --keys` and
`beekit evaluate --keys` print the same, and `--schema` a JSON schema for editors. A key whose
default is `required` has to be there. On the command line, dots reach into sections:
`split.seed=7`.
"""
_FOOT = f"""## Arguments of the Trainer in `training`

Other keys of `training` are arguments of the Hugging Face Trainer under their own names and with
their own meaning: see [TrainingArguments]({TRAINER_PAGE}).
`null` unsets a key. beekit refuses two keys that say the same, and a key that would have no effect.

Those that are tested with beekit, and the values that they take:

WORKS

Those that beekit passes on; their values and the packages that they need are checked:

PASSED

Those that beekit refuses, unless the value asks for what is done anyway:

REFUSED
"""


class Key(NamedTuple):
    """A key with its sections, its type in words, its default as YAML has it ("required" where it
    has none), and a sentence."""

    name: str
    type: str
    default: str
    meaning: str


def keys(command: str) -> dict[str, list[Key]]:
    """All keys of the configuration of a command of `COMMANDS`, by what they are about."""
    kind = COMMANDS[command]
    shared = [name for name in DataConfig.model_fields if name not in ("data", "split")]
    own = [name for name in kind.model_fields if name not in DataConfig.model_fields]
    found = {f"`beekit {command}` alone": list(_keys(kind, ["data", *own]))}
    found["Data, and the run"] = list(_keys(kind, shared))
    title = "`interactions` or `items` as a section; the same keys in both"
    found[title] = list(_keys(TableFile, TableFile.model_fields, "items."))
    for name, split in KINDS.items():
        title = f"`split` with `kind: {name}`: {(split.__doc__ or '').splitlines()[0]}"
        found[title] = list(_keys(split, list(split.model_fields)[1:], "split."))
    if command == "train":
        found["`training`"] = list(_training_keys())
    return found


def _keys(kind: type[ConfigModel], names: Any, where: str = "") -> Iterator[Key]:
    for name in names:
        field = kind.model_fields[name]
        inside = field.annotation
        if isinstance(inside, type) and issubclass(inside, ConfigModel):
            yield from _keys(inside, inside.model_fields, f"{where}{name}.")
        else:
            default = field.get_default(call_default_factory=True, validated_data={})
            said = "required" if field.is_required() else _written(default)
            yield Key(f"{where}{name}", _type(field), said, str(field.description))


def _type(field: FieldInfo) -> str:
    """The type of a key, and its range where it has one."""
    plain, ranged = described(field.annotation), described(field.annotation, field.metadata)
    return plain if plain == ranged else f"{plain}, {ranged}"


def _training_keys() -> Iterator[Key]:
    """beekit's own keys of the training section, and the Trainer's with another default here."""
    from beekit.training.arguments import BeeFormerTrainingArguments

    types = key_types()
    fields = {f.name: f for f in dataclasses.fields(BeeFormerTrainingArguments)}
    meanings = {
        name: str(fields[name].metadata.get("help", "The Trainer's; this default is beekit's."))
        for name in BeeFormerTrainingArguments.__annotations__
    } | {alias: f"The Trainer's `{name}`." for alias, name in ALIASES.items()}
    for name, meaning in meanings.items():
        default = fields[ALIASES.get(name, name)].default
        yield Key(f"training.{name}", described(types[name]), _written(default), meaning)


def _written(value: Any) -> str:
    """A default as YAML has it."""
    return value if isinstance(value, str) else json.dumps(value)


def text(command: str) -> str:
    """The keys of a command for a terminal."""
    lines = []
    for title, found in keys(command).items():
        lines += ["", title.replace("`", "")]
        for key in found:
            default = key.default if key.default == "required" else f"default {key.default}"
            lines.append(f"  {key.name} ({key.type}; {default}): {key.meaning}")
    if command == "train":
        shown = {key.name.rpartition(".")[2] for key in found}
        trainers = ", ".join(name for name in key_types() if name not in shown)
        lines += [
            f"  keys of the Trainer, under training too ({TRAINER_PAGE}): {trainers}",
            f"  keys of the Trainer that are refused: {', '.join(REFUSED)}",
        ]
    return "\n".join(lines[1:])


def markdown() -> str:
    """The keys of all commands as tables; what both have stands once."""
    tables: dict[str, list[Key]] = {}
    for command in COMMANDS:
        tables |= keys(command)
    lines = [_HEAD]
    for title, found in tables.items():
        lines += [f"## {title}", "", "| key | type | default | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{key.name}` | {key.type} | `{key.default}` | {key.meaning} |" for key in found
        ]
        lines.append("")
    shown = {key.name.rpartition(".")[2] for key in tables["`training`"]}
    works = {name: hint for name, hint in WORKS.items() if name not in shown}
    foot = _FOOT.replace("WORKS", _types_table(works)).replace("PASSED", _types_table(PASSED))
    alike: dict[tuple[str, str], list[str]] = {}
    for name, one in REFUSED.items():
        alike.setdefault((one.since, one.instead), []).append(f"`{name}`")
    rows = [f"| {', '.join(named)} | {since} | {do} |" for (since, do), named in alike.items()]
    refused = ["| key | refused since | what to do |", "|---|---|---|", *rows]
    return "\n".join([*lines, foot.replace("REFUSED", "\n".join(refused))])


def _types_table(types: Mapping[str, Any]) -> str:
    rows = [f"| `training.{name}` | {described(hint)} |" for name, hint in types.items()]
    return "\n".join(["| key | type |", "|---|---|", *rows])


def schema(command: str) -> dict[str, Any]:
    """A JSON schema of the configuration of a command, for editors that know YAML by schema."""
    found = COMMANDS[command].model_json_schema()
    kinds = [kind.model_json_schema() for kind in KINDS.values()]
    for kind in kinds[1:]:  # without a kind, it is the first
        kind["required"] = ["kind", *kind.get("required", [])]
    outside = {"type": "object", "properties": {"kind": {"pattern": ":"}}, "required": ["kind"]}
    found["$defs"]["SplitConfig"] = {"anyOf": [*kinds, outside]}
    if command == "evaluate":
        found["properties"]["models"]["type"] = ["object", "array"]
    else:
        found["$defs"]["DatasetEntry"] = DatasetEntry.model_json_schema()
        folders = {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/DatasetEntry"}]}
        found["properties"]["data"]["anyOf"][1]["items"] = folders
        types = {name: type_schema(hint) for name, hint in key_types().items()}
        types["bf16"] = {"enum": [True, False, "auto"]}
        found["properties"]["training"] |= {"properties": types, "additionalProperties": False}
        for inside in (found["$defs"]["DatasetEntry"], *types.values()):
            found["$defs"] = inside.pop("$defs", {}) | found["$defs"]
    return found
