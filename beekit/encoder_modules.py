"""Our parts of encoders, under the name that saved models know them by.

sentence-transformers imports the parts that a folder's modules.json names. Names outside its own
namespace it imports only with `trust_remote_code=True`, which would also run whatever else the
folder brings along, and it has no way to register an installed package as trusted. So `import
beekit` puts this module into its namespace as `sentence_transformers.beekit`: from then on
`SentenceTransformer(path)` loads what beekit saved, by beekit's installed code alone, and the flag
still decides about everything else. Names are imported when first used.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

# What the namespace is called in modules.json.
NAMESPACE = "sentence_transformers.beekit"

_HOME = {"OpenCLIP": "open_clip", "TextImage": "text_image"}


def where(given: Mapping[str, Any]) -> dict[str, Any]:
    """Of what sentence-transformers gives a part's `load`: where to look for its files."""
    names = ("token", "cache_folder", "revision", "local_files_only")
    return {name: given[name] for name in names if name in given}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"beekit.encoders.{_HOME[name]}"), name)
    raise AttributeError(f"module {NAMESPACE!r} has no attribute {name!r}")
