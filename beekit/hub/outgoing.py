"""What of a run leaves the machine, file by file.

The model lies at the top, so that `SentenceTransformer("user/name")` loads it; beside it the card,
the results, the configuration, and which items the split held out. `beekit.json` lists every file
with its SHA-256: it tells beekit's repositories from others, and whether one arrived whole.
Interactions, texts and pictures stay behind.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

import beekit
from beekit.errors import HubError, RunError
from beekit.hub.card import check_card, render_card
from beekit.hub.chart import results_chart
from beekit.hub.facts import Facts
from beekit.hub.public import public_config, public_results

MANIFEST = "beekit.json"
CARD = "README.md"
_CHART = "results.png"
# What of the split is said: how it was made, and of which items; not who used them.
_SPLIT = ("split.json", "candidates.parquet", "training_items.parquet")
# Where the parts of a run lie in a repository as in a run folder; the rest is the model.
RUN_PARTS = (CARD, _CHART, MANIFEST, "results.json", "config.yaml", "split", "index", "datasets")
# Names of what is in an index, as people call it, and so part of the catalog.
_ITEMS = "index/items.parquet"


@dataclass(frozen=True)
class Outgoing:
    """Files by their path in the repository: on disk, or as bytes where they differ from it."""

    files: Mapping[str, Path | bytes]

    @property
    def card(self) -> str:
        return _bytes(self.files[CARD]).decode()

    @property
    def manifest(self) -> bytes:
        return _bytes(self.files[MANIFEST])

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """Each file's path and content, one at a time."""
        for path, content in self.files.items():
            yield path, _bytes(content)

    def sizes(self) -> dict[str, int]:
        """Bytes of each file."""
        return {
            path: len(content) if isinstance(content, bytes) else content.stat().st_size
            for path, content in self.files.items()
        }


def outgoing(run: str | Path, facts: Facts, *, index: bool = False) -> Outgoing:
    """The files of a finished run as they would be pushed.

    Args:
        run: its folder.
        facts: what the card says beside the results; its `repo` is where they go.
        index: the FAISS index too, items known by their ids alone.

    Raises:
        RunError: no finished run, no model in it, or no index where one was asked for.
        HubError: the card cannot be read back, or the model has a file where the run has one.
    """
    run = Path(run)
    results = _read_results(run)
    if not (run / "model" / "modules.json").is_file():
        raise RunError(
            f"no model in {run}",
            expected="a finished training",
            remedy="Push a folder made by `beekit train`.",
        )
    files: dict[str, Path | bytes] = dict(_model(run / "model"))
    for folder in [run, *(run / "datasets" / part["name"] for part in results.get("datasets", []))]:
        files |= _described(folder, folder.relative_to(run), index)
    chart = results_chart(results)
    if chart is not None:
        files[_CHART] = chart
    card = render_card(results, facts, chart=_CHART if chart else None)
    check_card(card)
    files[CARD] = card.encode()
    hashes = {path: hashlib.sha256(_bytes(files[path])).hexdigest() for path in sorted(files)}
    files[MANIFEST] = _json({"schema": 1, "beekit": beekit.__version__, "files": hashes})
    return Outgoing(dict(sorted(files.items())))


def _model(folder: Path) -> Iterator[tuple[str, Path]]:
    """The model's files but its cards, which may quote the texts it was trained on."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or path.name == CARD or path.name.startswith("."):
            continue
        if PurePosixPath(name).parts[0] in RUN_PARTS:
            raise HubError(
                f"a file {name} in {folder}",
                expected="none of a run's own names in a model",
                remedy="Rename or remove it.",
            )
        yield name, path


def _described(folder: Path, below: Path, index: bool) -> dict[str, Path | bytes]:
    """Results, configuration and split of a run or of one of its datasets, told to strangers."""
    files: dict[str, Path | bytes] = {
        "results.json": _json(public_results(_read_results(folder))),
        "config.yaml": _public_yaml(folder / "config.yaml"),
    }
    files |= {f"split/{name}": folder / "split" / name for name in _SPLIT}
    has_index = (folder / "index" / "index.json").is_file()
    if index and has_index:
        inside = (p for p in sorted((folder / "index").iterdir()) if not p.name.startswith("."))
        files |= {f"index/{path.name}": path for path in inside}
        files[_ITEMS] = _without_labels(folder / _ITEMS)
    elif index and (folder / "split").is_dir():
        raise RunError(
            f"no index in {folder}", expected="one", remedy=f"Make it: `beekit index {folder}`."
        )
    return {
        (below / name).as_posix(): content
        for name, content in files.items()
        if isinstance(content, bytes) or content.is_file()
    }


def _read_results(folder: Path) -> dict[str, Any]:
    if not (folder / "results.json").is_file() or not (folder / "config.yaml").is_file():
        raise RunError(
            f"no results.json or no config.yaml in {folder}",
            expected="a finished run folder",
            remedy="Check the path, or finish the run with `beekit train`.",
        )
    results: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return results


def _public_yaml(path: Path) -> bytes:
    config = public_config(yaml.safe_load(path.read_text(encoding="utf-8")))
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True).encode()


def _without_labels(path: Path) -> bytes:
    """What is known of an index's items, with their ids for names."""
    items = pq.read_table(path)
    place = items.schema.get_field_index("label")
    out = io.BytesIO()
    pq.write_table(items.set_column(place, "label", items["item_id"].cast(pa.string())), out)
    return out.getvalue()


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def _bytes(content: Path | bytes) -> bytes:
    return content if isinstance(content, bytes) else content.read_bytes()
