"""beekit's own modules of encoders, under the name that saved encoders use.

sentence-transformers imports the modules that the file modules.json of a saved encoder names.
Modules outside its own namespace are imported only with `trust_remote_code=True`, which would also
run any code in that folder, and an installed package cannot be registered as trusted. So `import
beekit` makes this module available as `sentence_transformers.beekit`. Then
`SentenceTransformer(path)` loads encoders that beekit saved, with the installed code of beekit
only, and the flag still decides about all other code. Names are imported when first used.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

# The name of this module in modules.json.
NAMESPACE = "sentence_transformers.beekit"

_HOME = {"OpenCLIP": "open_clip", "TextImage": "text_image"}


def where(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a module's `load` that say where its files are."""
    names = ("token", "cache_folder", "revision", "local_files_only")
    return {name: given[name] for name in names if name in given}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"beekit.encoders.{_HOME[name]}"), name)
    raise AttributeError(f"module {NAMESPACE!r} has no attribute {name!r}")
