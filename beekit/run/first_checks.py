"""What shows of a mistake in paths before a library that takes seconds is imported.

All of it is checked again, and more, where it is used.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beekit.data_folder import HUB, named_files, require_data_folder, require_table
from beekit.errors import DataError, EncoderError, RunError
from beekit.folder_lock import LOCK_FILE, alone_in
from beekit.launcher import require_alone
from beekit.models.registry import HOMES, require_name
from beekit.run_folder import RunFolder

if TYPE_CHECKING:
    from beekit.run.config import Config
    from beekit.run.data_config import DataConfig

# What the Hub accepts as a name: what else is a path.
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
# One of these lies in every folder that an encoder is loaded from.
_OF_ENCODERS = ("modules.json", "config.json", "adapter_config.json")
_YES = ("1", "true", "yes", "on")


def check_training(config: Config) -> None:
    """Refuse a training whose data, encoder or metric is not there, or whose folder is taken.

    Raises:
        DataError: if a dataset folder is missing.
        EncoderError: if an encoder is a path that leads to none, or a name that is not here while
            the Hub is switched off.
        RunError: if the run folder is taken, or if a launcher started several processes.
        ConfigError: if a metric is unknown.
    """
    require_alone()
    if config.repeats == 1:
        require_free(config.out, "training")
    for one in config.datasets():
        require_data(one)
    for name in (config.encoder, config.image_encoder):
        if name is not None:
            require_encoder(name)
    _require_metrics(config)


def check_comparison(content: Mapping[str, Any]) -> None:
    """As `check_training`, of keys and values of a comparison; of models from outside, whose code
    would be run, nothing is looked at but their encoders."""
    from beekit.run.comparison import metrics_of, read_comparison

    config = read_comparison(content)
    for label, given in config.models.items():
        own = given if isinstance(given, dict) else {}
        name = require_name(str(own.get("model", label)), f"models.{label}.")
        if name in HOMES:
            _check_settings(own, name, f"models.{label}.")
        if isinstance(run := own.get("run"), str):
            RunFolder(Path(run)).require_config()
        encoder = own.get("encoder", config.encoder)
        by_content = HOMES.get(name, "").startswith("cold.")  # whose models all need one
        if by_content and run is None and isinstance(encoder, str):
            require_encoder(encoder)
    if config.repeats == 1:
        require_free(config.out, "comparison")
    require_data(config)
    metrics_of(config)


def _check_settings(given: Mapping[str, Any], name: str, where: str) -> None:
    """Refuse a setting that the model does not have, or that cannot have its value."""
    from beekit.models.declared import declared_settings, plain_type, require_setting
    from beekit.run.comparison import OWN_KEYS, require_key

    declared = declared_settings(name)
    for key, value in given.items():
        if key not in OWN_KEYS:
            require_key(key, value, {n: plain_type(kind) for n, kind in declared.items()}, where)
            require_setting(key, value, declared[key])


def require_data(config: DataConfig) -> None:
    """Refuse a configuration whose dataset folder, or a file named in it, is missing."""
    entries = config.data if isinstance(config.data, list) else [config.data]
    for entry in entries:
        own = entry if isinstance(entry, dict) else {"data": entry}
        folder = own["data"]
        require_data_folder(folder)
        if folder.startswith(HUB):
            continue
        for file in config.split.files:
            if not (Path(folder) / file).is_file():
                found = f"no file {Path(folder) / file}"
                expected, remedy = "a Parquet or CSV file", "Check the path."
                raise DataError(found, expected=expected, remedy=remedy)
        text, image = (own.get(key, getattr(config, key)) for key in ("text", "image"))
        needed = config.needs_catalog or text or image
        tables = {key: own.get(key, getattr(config, key)) for key in ("interactions", "items")}
        for key, named in tables.items():
            name = named.get("file") if isinstance(named, dict) else getattr(named, "file", named)
            if isinstance(name, str):
                named_files(Path(folder), key, name)
            elif not config.split.own_files and (key == "interactions" or needed):
                require_table(Path(folder), key)
        if tables["items"] is None and (text or image) and not config.split.own_files:
            from beekit.data.header import require_item_columns  # imports Arrow

            parquet = Path(folder) / "items.parquet"
            table = parquet if parquet.exists() else parquet.with_suffix(".csv")
            require_item_columns(table, text, image)


def require_encoder(name: str) -> None:
    """Refuse an encoder that cannot be where its name says."""
    path = Path(name)
    if name.startswith("open_clip:") or os.environ.get("SENTENCE_TRANSFORMERS_HOME"):
        return
    if path.exists():
        if path.is_dir() and any((path / file).is_file() for file in _OF_ENCODERS):
            return
        found = f"no {' or '.join(_OF_ENCODERS)} in it" if path.is_dir() else "a file"
        remedy = "Check the path."
        if (path / "model").is_dir():
            remedy = f"Name the encoder of that run: {path / 'model'}."
    elif _HUB_NAME.fullmatch(name) is None:
        found, remedy = "no such folder", "Check the path."
    elif not _offline() or _in_cache(name):
        return
    else:
        found = "no such folder, and the Hub is switched off by HF_HUB_OFFLINE"
        remedy = "Check the path or name, or unset HF_HUB_OFFLINE to fetch it."
    raise EncoderError(
        f"cannot load the encoder {name!r} ({found})",
        expected="a folder in SentenceTransformer format or a model name on the Hub",
        remedy=remedy,
    )


def require_free(out: str | Path, kind: str) -> None:
    """Refuse a run folder that a job of this kind can neither begin nor go on in."""
    folder = RunFolder(Path(out))
    for above in (folder.path, *folder.path.absolute().parents):
        if above.exists():
            if above.is_dir():
                break
            found = f"out={out}, where {above} is a file"
            raise RunError(found, expected="a folder to make", remedy="Choose another `out`.")
    last = folder.card if kind == "training" else folder.report
    if folder.results.is_file() and not last.is_file() and not folder.repeats.exists():
        return  # a job that was killed at its very end may go on, as shows later
    begun = kind == "training" and folder.kind == "quickstart"
    held = (folder.path / LOCK_FILE).is_file()
    with alone_in(folder.path, make=False) if held else nullcontext():
        folder.require_unfinished("quickstart" if begun else kind)


def require_served(run: str | Path, model: str | None = None) -> RunFolder:
    """The folder of a run on one dataset that has an index, or a kept model of that name."""
    folder = RunFolder(Path(run))
    folder.require_config("`beekit train` or `beekit evaluate`")
    folder.require_not_repeated()
    folder.require_one_dataset()
    if model is not None:
        folder.kept_model(model)
    elif not folder.index.exists() and folder.kept_models():
        found = f"{folder.path} keeps the models {', '.join(folder.kept_models())}"
        raise RunError(found, expected="the name of one of them", remedy="Add --model NAME.")
    return folder


def _require_metrics(config: DataConfig) -> None:
    from beekit.evaluation.named_metrics import usual_metrics

    usual_metrics(config.evaluation.metrics, config.evaluation.top_k)


def _offline() -> bool:
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return any(os.environ.get(name, "").lower() in _YES for name in names)


def _in_cache(name: str) -> bool:
    """Whether a name of the Hub has a folder in its cache on this machine."""
    above = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    home = Path(os.environ.get("HF_HOME") or above / "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub").expanduser()
    # Names without an owner are those of sentence-transformers, or of old.
    names = [name] if "/" in name else [name, f"sentence-transformers/{name}"]
    return any((cache / f"models--{one.replace('/', '--')}").is_dir() for one in names)
