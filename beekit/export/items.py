"""Exporting a run's items as plain FAISS files, with a check against the run's recommendations."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import faiss as faiss_module
import numpy as np

from beekit.data import ids
from beekit.errors import ExportError
from beekit.export.check_items import made_up_histories, run_dataset
from beekit.export.compare_embeddings import shared
from beekit.export.libraries import versions
from beekit.export.readme import write_about
from beekit.export.standalone import recommend
from beekit.files import write_json
from beekit.index import ItemIndex
from beekit.index.duplicate_vectors import within
from beekit.index.factory import keeps_vectors, searched
from beekit.index_files import APPROXIMATE, ITEM_VECTORS
from beekit.run.resume import saved_config
from beekit.run.serve import Server
from beekit.run_folder import RunFolder

faiss: Any = faiss_module  # its type stubs mistake C++ vectors for lists
_USERS, _TOP_K = 300, 10
# The relative error of one float32 operation.
_ROUNDING = 2.0**-24


def export_items(run: RunFolder, folder: Path, factory: str | None = None) -> str:
    """Write a run's index to an empty folder, and compare the results of plain FAISS with the run.

    `items.faiss` is a flat inner-product index of the L2-normalised item vectors. If `factory` is
    given, or if the run's index is approximate, `approximate.faiss` is written too; it is searched
    faster, and its nprobe or efSearch is set.

    Returns:
        one line on the check.

    Raises:
        ExportError: if the run serves no index, or if plain FAISS gives other scores or lists.
    """
    server = Server.open(run.path)
    index = server.recommender
    if not isinstance(index, ItemIndex):
        raise ExportError(
            f"{run.path} serves a {type(index).__name__}",
            expected="an index of item vectors",
            remedy="Export a run made by `beekit train`.",
        )
    vectors = index.item_vectors
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    faiss.write_index(flat, str(folder / ITEM_VECTORS))
    factory, refine = factory or index.factory, 1
    if factory != "Flat":
        refine = _write_approximate(index, factory, folder / APPROXIMATE)
    known = server.items
    item_ids = [ids.plain(item) for item in known.item_ids]
    columns = {"item_id": item_ids, "label": known.labels, "cold": known.cold.tolist()}
    write_json(folder / "items.json", columns)
    shutil.copy(str(recommend.__file__), folder / "recommend.py")
    made_with = {**versions("faiss"), "faiss": faiss.__version__}
    about = {"schema": 1, "format": "faiss", "factory": factory, "refine": refine}
    about |= {"items": len(vectors), "dims": int(vectors.shape[1]), "metric": "inner product"}
    about |= {"normalised": True, "versions": made_with}
    write_json(folder / "export.json", about)
    source, histories = _histories(run, server)
    agreement = {"source": source, **_compare(server, index, histories, folder)}
    write_about(folder, about | {"agreement": agreement})
    line = (
        f"{agreement['users']} {source}, scores divided by the length of the history at most "
        f"{agreement['score_difference']:.1e} from the run's (allowed {agreement['tolerance']:.1e})"
        f", {agreement['same_top_10']:.2%} of the ten best the same"
    )
    recall = agreement.get("approximate_recall_at_10")
    return line if recall is None else f"{line}; approximate.faiss finds {recall:.2%} of them"


def _write_approximate(index: ItemIndex, factory: str, path: Path) -> int:
    """Write the run's approximate index, or a new one, with beekit's default effort.

    Returns:
        how many times k items have to be fetched: more than 1 if the index holds codes, because
        their scores are not exact.
    """
    if factory != index.factory:
        index = ItemIndex(index.item_vectors, factory=factory, gpu=False)
    approximate, effort = index.proposing_index(), index.effort
    inner = searched(within(approximate))
    if isinstance(inner, faiss.IndexIVF):
        inner.nprobe = min(effort.nprobe, inner.nlist)
    elif isinstance(inner, faiss.IndexHNSW):
        inner.hnsw.efSearch = effort.ef_search
    faiss.write_index(approximate, str(path))
    return 1 if keeps_vectors(within(approximate)) else effort.refine


def _histories(run: RunFolder, server: Server) -> tuple[str, list[list[int | str]]]:
    """Histories of the run's users, or made-up ones, as item ids of the index."""
    item_ids = [ids.plain(item) for item in server.items.item_ids]
    dataset = run_dataset(saved_config(run))
    if dataset is not None:
        X = dataset.interactions.matrix
        row_of = ids.lookup(dataset.catalog.item_ids.tolist(), server.items.item_ids)
        users = np.sort(np.random.default_rng(0).permutation(X.shape[0])[:_USERS])
        rows = [row_of[X.indices[X.indptr[user] : X.indptr[user + 1]]] for user in users]
        known = [[item_ids[row] for row in own if row >= 0] for own in rows]
        if any(known):
            return f"users of {dataset.name}", [history for history in known if history]
    drawn = made_up_histories(_USERS, len(item_ids), np.random.default_rng(0))
    return "made up", [[item_ids[row] for row in own] for own in drawn]


def _compare(
    server: Server, index: ItemIndex, histories: list[list[int | str]], folder: Path
) -> dict[str, Any]:
    """How the exported files agree with the run.

    Returns:
        the number of users; the largest difference of a score, divided by the length of the
        history, and its tolerance; the share of the ten best items that are the same; and the share
        of these that the approximate index finds, if there is one.

    Raises:
        ExportError: if a score differs by more than float32 arithmetic explains, or if a list has
            another length.
    """
    exact = ItemIndex(index.item_vectors, index.item_ids, gpu=False)
    wanted, scores = exact.recommend(server.histories(histories), _TOP_K)
    answers = recommend.Items(folder).recommend(histories, _TOP_K)
    found, plain_scores = _as_arrays(answers, server)
    listed = wanted >= 0
    gaps = np.where(listed, np.abs(plain_scores - np.where(listed, scores, 0)), 0)
    # Two user vectors, each a sum of h unit vectors in any order, and two inner products over the
    # dimensions: the error is at most the number of operations times the error of one.
    lengths = np.array([len(set(history)) for history in histories])
    allowed = 2 * (index.item_vectors.shape[1] + lengths) * _ROUNDING
    gaps /= lengths[:, None]
    if (listed != (found >= 0)).any() or not (gaps.max(axis=1) <= allowed).all():
        raise ExportError(
            f"scores by plain FAISS, divided by the length of the history, up to {gaps.max():.1e} "
            "from the run's",
            expected=f"at most {allowed.max():.1e}, which float32 arithmetic explains",
            remedy="Nothing was exported; make the index again with `beekit index RUN`.",
        )
    agreement = {
        "users": len(histories),
        "score_difference": float(gaps.max()),
        "tolerance": float(allowed.max()),
        "same_top_10": shared(found, wanted),
    }
    if (folder / APPROXIMATE).is_file():
        quick = recommend.Items(folder, approximate=True).recommend(histories, _TOP_K)
        agreement["approximate_recall_at_10"] = shared(_as_arrays(quick, server)[0], wanted)
    return agreement


def _as_arrays(
    answers: list[list[tuple[Any, float]]], server: Server
) -> tuple[np.ndarray, np.ndarray]:
    """Item indices (users, k), padded with -1, and scores (users, k)."""
    items = np.full((len(answers), _TOP_K), -1, dtype=np.int64)
    scores = np.zeros(items.shape)
    for user, answer in enumerate(answers):
        items[user, : len(answer)] = ids.lookup([item for item, _ in answer], server.items.item_ids)
        scores[user, : len(answer)] = [score for _, score in answer]
    return items, scores
