"""Recipes that come with beekit: configurations of `beekit train` and `beekit evaluate` by name.

The files here are links to those in train/recipes and eval/recipes, so that the repository has each
file once, and an installed package has a copy.
"""

from __future__ import annotations

import difflib
from pathlib import Path

from beekit.errors import ConfigError


def recipes(command: str) -> dict[str, Path]:
    """The recipes of a command by their names.

    Args:
        command: "train" or "evaluate".
    """
    return {path.stem: path for path in sorted((Path(__file__).parent / command).glob("*.yaml"))}


def find_config(command: str, name: str) -> Path:
    """The file of a configuration: `name` is the path of a file or the name of a recipe.

    Raises:
        ConfigError: if there is neither; the message names the nearest recipe.
    """
    if Path(name).is_file():
        return Path(name)
    known = recipes(command)
    if name in known:
        return known[name]
    near = difflib.get_close_matches(Path(name).stem, known, n=1, cutoff=0.5)
    raise ConfigError(
        f"no file and no recipe {name}",
        expected=f"a YAML file, or a recipe such as {(near or list(known))[0]}",
        remedy=f"`beekit {command} --list` names the recipes.",
    )


def listed(command: str) -> str:
    """A line for each recipe: its name and its first comment."""
    lines = {name: path.read_text(encoding="utf-8") for name, path in recipes(command).items()}
    width = max(map(len, lines))
    return "\n".join(
        f"{name:{width}}  {text.partition(chr(10))[0].lstrip('# ')}" for name, text in lines.items()
    )
