"""The files of a run that are pushed.

The model is at the top level of the repository, so that `SentenceTransformer("user/name")` loads
it. Beside it are the card, the results, the configuration, the item ids of the split, and a
manifest of all files. Interactions, texts and pictures are not pushed.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from beekit import index_files
from beekit.errors import HubError, RunError
from beekit.hub.card import check_card, render_card
from beekit.hub.card_facts import Facts
from beekit.hub.client import check_repo_name
from beekit.hub.file_checks import require_whole_index, require_whole_model, require_whole_split
from beekit.hub.manifest import MANIFEST, make_manifest
from beekit.hub.redaction import public_config, public_results
from beekit.results import dataset_results, is_repeated
from beekit.run_files import read_parquet, read_yaml
from beekit.run_folder import (
    CARD,
    CONFIG,
    DATASETS,
    INDEX,
    RESULTS,
    SPLIT,
    RunFolder,
    require_same_run,
)

_CHART = "results.png"
# From the split: how it was made, and the ids of its items with digests of their contents, so that
# others can see what the encoder learnt from, but no users; and the same for the runs before it.
_SPLIT = ("split.json", "training_items.parquet")
_BEFORE = ("before.json", "before/*/training_items.parquet")
# The files of every index, and further ones that some indexes have.
_INDEX = (index_files.INDEX, index_files.ITEM_VECTORS, index_files.ITEMS)
_INDEX_MORE = (index_files.USER_SIDE, index_files.APPROXIMATE, index_files.TEXT_PART)
# Paths that are the same in a repository and in a run folder; all others belong to the model.
RUN_PARTS = (CARD, _CHART, MANIFEST, RESULTS, CONFIG, SPLIT, INDEX, DATASETS)
_WEIGHTS = (".safetensors", ".bin")
# Suffixes of data files, which no model has.
_NOT_OF_MODELS = (".csv", ".parquet", ".arrow", ".npy", ".npz", ".pt", ".pth", ".pkl", ".jsonl")
_OF_CHECKPOINTS = ("training_args.bin", "optimizer.bin")
_TEXTS = (".json", ".yaml", ".md", ".txt")


def files_to_upload(
    run: str | Path, repo: str, facts: Facts | None = None, *, index: bool = False
) -> dict[str, Path | bytes]:
    """The files of a finished run in the form in which they are pushed; the network is not used.

    Args:
        run: the run folder.
        repo: the repository they go to, `user/name`.
        facts: what the card states besides the results.
        index: push the FAISS index too, with ids in place of the items' names.

    Returns:
        by path in the repository, the path of the file, or its content if that differs from the
        file on disk.

    Raises:
        RunError: if the run is not finished, holds repeats, or has a file that is missing, broken,
            of another run or changed since training.
        EncoderError: if the model was trained by an earlier version and does not load.
        ConfigError: if the facts name a dataset that the run does not have.
        HubError: if `repo` cannot be a name, if the metadata of the card cannot be read, or if a
            file does not belong to a model or names a path of this machine.
    """
    check_repo_name(repo)
    folder, facts = RunFolder(Path(run)), (facts or Facts()).replace(repo=repo)
    results, config = _read_run(folder)
    if is_repeated(results):
        folders = [str(folder.path / below) for below in results["repeats"]["folders"]]
        raise RunError(
            f"{run} holds {len(folders)} repeats, each with a model of its own",
            expected="the folder of one repeat",
            remedy=f"Give {' or '.join(folders)}.",
        )
    facts.require_datasets([one.name for one in dataset_results(results)])
    model = dict(_model(folder.model))
    trust = config.get("trust_remote_code") is True
    require_whole_model(folder.model, model, results, trust=trust)
    files: dict[str, Path | bytes] = {**model, **_public_texts(results, config)}
    for one in folder.dataset_folders():
        own, settings = _read_run(one)
        content = _public_texts(own, settings) | _split_and_index(one.path, own, index)
        below = one.path.relative_to(folder.path)
        files |= {(below / name).as_posix(): part for name, part in content.items()}
    from beekit.hub.chart import results_chart

    chart = results_chart(results)
    if chart is not None:
        files[_CHART] = chart
    card = render_card(public_results(results), facts, chart=_CHART if chart else None)
    check_card(card)
    files[CARD] = card.encode()
    _require_no_paths(files, config)
    files[MANIFEST] = make_manifest(files)
    return dict(sorted(files.items()))


def read(content: Path | bytes) -> bytes:
    """The content of a file; bytes are returned as they are."""
    return content if isinstance(content, bytes) else content.read_bytes()


def size(content: Path | bytes) -> int:
    """The size in bytes of a file or of bytes."""
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def _model(folder: Path) -> Iterator[tuple[str, Path]]:
    """The model's files without its cards, which may contain texts that it was trained on."""
    paths = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    if Path("modules.json") not in paths or not any(path.suffix in _WEIGHTS for path in paths):
        raise RunError(
            f"no model in {folder.parent}" if not paths else f"no complete model in {folder}",
            expected="modules.json and weights, as saved by `beekit train`",
            remedy="Push a finished run of `beekit train`.",
        )
    for path in paths:
        if path.name == CARD or any(part.startswith(".") for part in path.parts):
            continue
        foreign = path.suffix in _NOT_OF_MODELS or path.name in _OF_CHECKPOINTS
        if foreign or path.parts[0] in RUN_PARTS:
            raise HubError(
                f"a file {path} in {folder}",
                expected="only files of the model",
                remedy="Move the file out of that folder.",
            )
        yield path.as_posix(), folder / path


def _public_texts(results: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Path | bytes]:
    """Results and configuration in the form in which they are pushed."""
    rows = json.dumps(public_results(results), indent=2, ensure_ascii=False) + "\n"
    settings = yaml.safe_dump(public_config(config, results), sort_keys=False, allow_unicode=True)
    return {RESULTS: rows.encode(), CONFIG: settings.encode()}


def _split_and_index(
    folder: Path, results: Mapping[str, Any], index: bool
) -> dict[str, Path | bytes]:
    """The split of a run on one dataset and, with `index`, its index, by their paths in the run."""
    names = (*_SPLIT, "candidates.parquet") if results["rows"] else _SPLIT
    split = {f"{SPLIT}/{name}": _require(folder / SPLIT / name, folder) for name in names}
    before = [path for pattern in _BEFORE for path in (folder / SPLIT).glob(pattern)]
    split |= {path.relative_to(folder).as_posix(): path for path in before}
    require_whole_split(split, results)
    files: dict[str, Path | bytes] = {**split}
    if index:
        files |= {f"{INDEX}/{name}": _require(folder / INDEX / name, folder) for name in _INDEX}
        more = (folder / INDEX / name for name in _INDEX_MORE)
        files |= {f"{INDEX}/{path.name}": path for path in more if path.is_file()}
        require_whole_index(folder / INDEX)
        items = f"{INDEX}/{index_files.ITEMS}"
        files[items] = _without_labels(folder / items)
    return files


def _require(path: Path, folder: Path) -> Path:
    if path.is_file():
        return path
    kind = path.parent.name
    raise RunError(
        f"no {kind}/{path.name} in {folder}",
        expected=f"all files of the {kind}",
        remedy=f"Make it: `beekit index {folder}`." if kind == "index" else "Train it again.",
    )


def _read_run(run: RunFolder) -> tuple[dict[str, Any], dict[str, Any]]:
    """The results and the configuration of a finished run.

    Raises:
        RunError: if one of them is missing, or if they are of different runs.
    """
    if not run.results.is_file() or not run.config.is_file():
        raise RunError(
            f"no {RESULTS} or no {CONFIG} in {run.path}",
            expected="a finished run folder",
            remedy="Check the path, or finish the run with `beekit train`.",
        )
    results, config = run.read_results(), read_yaml(run.config)
    require_same_run(config, results, run.path)
    return results, config


def _require_no_paths(files: Mapping[str, Path | bytes], config: Mapping[str, Any]) -> None:
    """Check that no text file contains a path of this machine that the configuration names.

    Raises:
        HubError: if one does.
    """
    data = config.get("data")
    entries = data if isinstance(data, list) else [data]
    named = [entry["data"] if isinstance(entry, dict) else entry for entry in entries]
    named += [config.get(key) for key in ("out", "cache", "encoder", "image_encoder")]
    places = [str(place).partition("open_clip:")[2] or str(place) for place in named if place]
    places = [place[place.index("/") :] for place in places if "/" in place]
    tell = [place.encode() for place in places if Path(place).exists() and place.count("/") > 1]
    texts = {path: one for path, one in files.items() if PurePosixPath(path).suffix in _TEXTS}
    for path, content in texts.items():
        found = next((place for place in tell if place in read(content)), None)
        if found is not None:
            raise HubError(
                f"{path} names {found.decode()}",
                expected="no path of this machine in pushed files",
                remedy="Remove the path from that file of the run.",
            )


def _without_labels(path: Path) -> bytes:
    """The table of an index's items with ids in place of names."""
    items = read_parquet(path, ("item_id", "label"))
    place = items.schema.get_field_index("label")
    out = io.BytesIO()
    pq.write_table(items.set_column(place, "label", items["item_id"].cast(pa.string())), out)
    return out.getvalue()
