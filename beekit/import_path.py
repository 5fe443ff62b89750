"""Importing objects that a configuration names by import path, `package.module:name`."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from beekit.errors import ConfigError


def imported(path: str, what: str) -> Any:
    """The object at the import path `package.module:name`. This runs the module's code.

    The module may also be in the current folder. `what` describes the object in messages, for
    example "metric 'my_package.metrics:novelty@20'".

    Raises:
        ConfigError: if it cannot be imported.
    """
    module, _, name = path.partition(":")
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:  # last, so that installed packages come first
        sys.path.append(here)
    try:
        found = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:  # whatever the module's own code raises
        said = " ".join(str(error).split())
        raise ConfigError(
            f"{what} that cannot be imported ({type(error).__name__}: {said})",
            expected="package.module:name of an object that Python can import",
            remedy="Check the spelling, and install the package or start beekit in its folder.",
        ) from error
    return found
