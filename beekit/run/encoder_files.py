"""Which files an encoder is read from, as digests, so that another one of its name is noticed."""

from __future__ import annotations

import json
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from beekit.files import file_digest
from beekit.run.config import Config

OPEN_CLIP = "open_clip:"
# Files that a repository of an encoder has, one or the other.
_ALWAYS = ("modules.json", "config.json", "open_clip_config.json")
# What models and tokenizers are read from; cards and notes beside them are not.
_READ = (
    *(".json", ".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".npz", ".npy", ".py"),
    *(".model", ".spm", ".bpe", ".vocab", ".tiktoken", ".jinja"),
)
_VOCABULARIES = ("vocab.txt", "merges.txt")
_ADAPTERS = "adapter_config.json"


def encoder_files(config: Config) -> dict[str, dict[str, str]]:
    """Digests of the files of each encoder that a configuration names, by its key."""
    named = {"encoder": config.encoder, "image_encoder": config.image_encoder}
    run = Path(config.out)
    return {key: digests_of(name, run) for key, name in named.items() if name is not None}


def digests_of(encoder: str, run: Path) -> dict[str, str]:
    """A digest for each file that a folder's model is read from; the commit of a name on the Hub,
    as it is cached.

    Of adapters (PEFT) also those of the model that they adapt. Empty of an encoder whose files
    cannot be told, such as one of open_clip's own names.

    Args:
        encoder: as a configuration names it.
        run: folder of the run, whose files are none of the encoder's if it lies in its folder.
    """
    if encoder.startswith(OPEN_CLIP):
        weights = encoder.removeprefix(OPEN_CLIP).partition("/")[2]
        return {Path(weights).name: file_digest(weights)} if Path(weights).is_file() else {}
    if Path(encoder).is_dir():
        return _of_folder(Path(encoder), run)
    for name in _ALWAYS:
        cached = try_to_load_from_cache(encoder, name) if encoder.count("/") <= 1 else None
        if isinstance(cached, str):
            return {"commit": Path(cached).parent.name}
    return {}


def _of_folder(folder: Path, run: Path) -> dict[str, str]:
    within = folder.resolve() in run.resolve().parents
    digests = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in name.parts)
        read = path.suffix in _READ or path.name in _VOCABULARIES
        if hidden or not read or not path.is_file():
            continue
        if within and path.resolve().is_relative_to(run.resolve()):
            continue
        digests[name.as_posix()] = file_digest(path)
        if path.name == _ADAPTERS:
            adapted = _adapted(path)
            if adapted is not None and Path(adapted).resolve() != folder.resolve():
                of_base = digests_of(adapted, run)
                digests |= {f"{adapted}/{file}": digest for file, digest in of_base.items()}
    return digests


def _adapted(config: Path) -> str | None:
    """The model that adapters belong to, if it is named."""
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
    except ValueError:
        return None  # loading the encoder says so
    name = content.get("base_model_name_or_path") if isinstance(content, dict) else None
    return name if isinstance(name, str) and name else None
