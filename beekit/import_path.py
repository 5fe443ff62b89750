"""What a configuration names by import path: `package.module:name`."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from beekit.errors import ConfigError


def imported(path: str, what: str) -> Any:
    """What Python imports by `package.module:name`; that runs the module's code.

    The module may also lie in the current folder, as it may for `python -m`. `what` is for the
    message, such as "metric 'my_package.metrics:novelty@20'".
    """
    module, _, name = path.partition(":")
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:  # last, so that it hides no installed package
        sys.path.append(here)
    try:
        found = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:  # whatever the module's own code raises
        said = " ".join(str(error).split())
        raise ConfigError(
            f"{what} that cannot be imported ({type(error).__name__}: {said})",
            expected="package.module:name, as Python imports it",
            remedy="Install the package, or run where Python finds it, and check the spelling.",
        ) from error
    return found
