"""Which files an encoder is read from, as digests, so that another one of its name is noticed."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from beekit.files import file_digest
from beekit.model_files import model_digests
from beekit.run.config import Config

OPEN_CLIP = "open_clip:"
# Files that a repository of an encoder has, one or the other.
_ALWAYS = ("modules.json", "config.json", "open_clip_config.json")


def encoder_files(config: Config) -> dict[str, dict[str, str]]:
    """Digests of the files of each encoder that a configuration names, by its key."""
    named = {"encoder": config.encoder, "image_encoder": config.image_encoder}
    return {key: digests_of(name) for key, name in named.items() if name is not None}


def digests_of(encoder: str) -> dict[str, str]:
    """A digest for each file of a folder; the commit of a name on the Hub, as it is cached.

    Empty of an encoder whose files cannot be told, such as one of open_clip's own names.
    """
    if encoder.startswith(OPEN_CLIP):
        weights = encoder.removeprefix(OPEN_CLIP).partition("/")[2]
        return {Path(weights).name: file_digest(weights)} if Path(weights).is_file() else {}
    if Path(encoder).is_dir():
        digests = model_digests(Path(encoder))
        return {f: d for f, d in digests.items() if not any(p[0] == "." for p in f.split("/"))}
    for name in _ALWAYS:
        cached = try_to_load_from_cache(encoder, name) if encoder.count("/") <= 1 else None
        if isinstance(cached, str):
            return {"commit": Path(cached).parent.name}
    return {}
