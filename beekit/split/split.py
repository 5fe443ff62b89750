"""A split as an artefact: who and what is held out, with a hash, saved and loaded by ids."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import scipy.sparse as sp

from beekit.data import Interactions, ids
from beekit.errors import DataError, SplitError
from beekit.files import replacing_folder
from beekit.finite import finite_csr
from beekit.run_files import read_json, read_parquet

# What `sources` was of kinds that were saved before it was saved too.
_SOURCES_BEFORE = {"user": "own", "zero_shot": "own", "time": "before"}


@dataclass(frozen=True)
class HeldOut:
    """Test or validation users: what is known of them, and what is to be found.

    Attributes:
        source: (users, items) known interactions.
        target: (users, items) hidden interactions; all of them, also those of users that cannot
            be evaluated for want of a source.
        candidates: item indices that may be recommended; kept ascending, each once.

    Raises:
        DataError: if the matrices have different shapes or are not finite, or if a candidate is not
            the index of an item.
    """

    source: sp.csr_array
    target: sp.csr_array
    candidates: np.ndarray

    def __post_init__(self) -> None:
        finite_csr(self.source, "source")
        users, items = self.source.shape
        finite_csr(self.target, "target", users=users, items=items)
        given = np.asarray(self.candidates)
        numbers = given.ndim == 1 and (given.dtype.kind in "iu" or not given.size)
        if not numbers or (given.size and (given.min() < 0 or given.max() >= items)):
            raise DataError(
                f"candidates of shape {given.shape} and type {given.dtype}",
                expected=f"item indices from 0 to {items - 1:,}",
                remedy="Name items by their index in X.",
            )
        object.__setattr__(self, "candidates", np.unique(given.astype(np.int64)))

    @cached_property
    def users(self) -> np.ndarray:
        """User indices with a source and a target, ascending: those that are evaluated."""
        return np.flatnonzero(_has_any(self.source) & _has_any(self.target))


@dataclass(frozen=True)
class Split:
    """Training interactions and held-out parts over the same users and items.

    Attributes:
        kind: "cold_start", "user", "time", "zero_shot", "published", "none", or the import path of
            another.
        settings: what the split was made with.
        interactions: all of X.
        train: (users, items) what models may learn from.
        validation, test: the held-out parts; None where there is none.
        warm: of a cold-start split, interactions held out of the training items.
        sources: what is known of the users of a held-out part, from which a saved split is put
            together again: what is in "train", all interactions "before" the part (train, and the
            parts before it), or interactions of its "own" that are in no other part.
        trains: whether there must be something to train on.
        about: what results keep of a kind from outside, such as its meaning.
        parts: all of these by name; where there is a warm part, also `overall`, the targets and
            candidates of test and warm together.
    """

    kind: str
    settings: Mapping[str, Any]
    interactions: Interactions
    train: sp.csr_array
    validation: HeldOut | None = None
    test: HeldOut | None = None
    warm: HeldOut | None = None
    sources: str = "train"
    trains: bool = True
    about: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, HeldOut] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        known = self.interactions
        finite_csr(self.train, "train", users=known.n_users, items=known.n_items)
        named = {"validation": self.validation, "test": self.test, "warm": self.warm}
        if self.test is not None and self.warm is not None:
            named["overall"] = _together(self.test, self.warm)
        object.__setattr__(self, "parts", {k: v for k, v in named.items() if v is not None})
        for name, part in self.parts.items():
            if len(part.users) == 0:
                raise SplitError(
                    f"the {self.kind} split leaves no {name} user with a source and a target",
                    expected="at least one",
                    remedy="Hold out another share, or lower the support filters.",
                )
        if self.train.nnz == 0 and self.trains:
            raise SplitError(
                f"the {self.kind} split leaves no training interactions",
                expected="at least one",
                remedy="Hold out a smaller share.",
            )

    @property
    def cold_items(self) -> np.ndarray:
        """Item indices without a training interaction, ascending."""
        support = np.bincount(self.train.indices, minlength=self.train.shape[1])
        return np.flatnonzero(support == 0)

    @property
    def training_item_ids(self) -> np.ndarray:
        """The caller's ids of the items with a training interaction."""
        warm = np.ones(self.interactions.n_items, dtype=bool)
        warm[self.cold_items] = False
        return self.interactions.item_ids[warm]

    @cached_property
    def hash(self) -> str:
        """SHA-256 over kind, ids and every part: equal splits are equal on any machine."""
        by_id = np.argsort(self.interactions.item_ids, kind="stable")
        rank = np.argsort(by_id)
        arrays: list[np.ndarray | pa.Array] = [
            pa.array([self.kind]),
            self.interactions.user_ids,
            self.interactions.item_ids[by_id],
        ]
        matrices = [self.train]
        for name, part in sorted(self.parts.items()):
            arrays += [pa.array([name]), np.sort(rank[part.candidates])]
            matrices += [part.source, part.target]
        for matrix in matrices:
            ranked = sp.csr_array(matrix[:, by_id])
            ranked.sort_indices()
            arrays += [ranked.indptr, ranked.indices]
        return ids.digest(*arrays)

    def summary(self) -> dict[str, Any]:
        """Kind, hash, settings and counts, as results.json and reports state them."""
        counts = {
            name: {
                "users": len(part.users),
                "targets": int(part.target.nnz),
                "candidates": len(part.candidates),
            }
            for name, part in self.parts.items()
        }
        return {
            "kind": self.kind,
            "hash": self.hash,
            "settings": dict(self.settings),
            "train": {"interactions": int(self.train.nnz), "cold_items": len(self.cold_items)},
            **({"about": dict(self.about)} if self.about else {}),
            **counts,
        }

    def save(self, folder: str | Path) -> None:
        """Write `split.json`, `held_out.parquet` (part, role, user_id, item_id),
        `candidates.parquet` (part, item_id) and `training_items.parquet` (item_id); the folder
        appears complete or not at all."""
        with replacing_folder(folder) as staging:
            said = {**self.summary(), "sources": self.sources}
            (staging / "split.json").write_text(json.dumps(said, indent=2) + "\n")
            held_out = [
                self._pairs(part, role, matrix)
                for part, held in self.parts.items()
                if part != "overall"  # test and warm hold it
                for role, matrix in (("source", held.source), ("target", held.target))
                if role == "target" or self.sources == "own"
            ]
            candidates = [
                pa.table(
                    {
                        "part": pa.array([part] * len(held.candidates), pa.string()),
                        "item_id": ids.as_ids(self.interactions.item_ids[held.candidates]),
                    }
                )
                for part, held in self.parts.items()
            ]
            training = pa.table({"item_id": ids.as_ids(self.training_item_ids)})
            pq.write_table(training, staging / "training_items.parquet")
            if self.parts:
                pq.write_table(pa.concat_tables(held_out), staging / "held_out.parquet")
                pq.write_table(pa.concat_tables(candidates), staging / "candidates.parquet")

    def _pairs(self, part: str, role: str, matrix: sp.csr_array) -> pa.Table:
        users = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        return pa.table(
            {
                "part": pa.array([part] * matrix.nnz, pa.string()),
                "role": pa.array([role] * matrix.nnz, pa.string()),
                "user_id": ids.as_ids(self.interactions.user_ids[users]),
                "item_id": ids.as_ids(self.interactions.item_ids[matrix.indices]),
            }
        )


def load_training_item_ids(folder: str | Path) -> np.ndarray:
    """The caller's ids of the items a saved split trains on.

    Raises:
        SplitError: if the folder holds no split.
        RunError: if the file is broken.
    """
    path = Path(folder) / "training_items.parquet"
    if not path.is_file():
        raise SplitError(
            f"no training_items.parquet in {folder}",
            expected="a folder written by Split.save",
            remedy="Check the path, or make the split again.",
        )
    return ids.to_numpy(ids.as_ids(read_parquet(path, ("item_id",))["item_id"]))


def load_split(folder: str | Path, interactions: Interactions) -> Split:
    """The split saved in `folder`, over the interactions it was made from.

    Raises:
        SplitError: if the folder holds no split, if what was held out is not there, as in a run
            from the Hub, or if the split was made from other interactions.
        RunError: if one of its files is broken.
    """
    folder = Path(folder)
    if not (folder / "split.json").is_file():
        raise SplitError(
            f"no split.json in {folder}",
            expected="a folder written by Split.save",
            remedy="Check the path, or make the split again.",
        )
    saved = read_json(folder / "split.json", ("kind", "settings", "hash"))
    if "test" in saved and not (folder / "held_out.parquet").is_file():
        raise SplitError(
            f"no held_out.parquet in {folder}",
            expected="who used what was held out, which stays behind when a run is pushed",
            remedy="Make the split again from the dataset; `beekit verify` does.",
        )
    sources = saved.get("sources", _SOURCES_BEFORE.get(saved["kind"], "train"))
    parts: dict[str, HeldOut] = {}
    train = interactions.matrix
    if (folder / "held_out.parquet").is_file():
        table = read_parquet(folder / "held_out.parquet", ("part", "role", "user_id", "item_id"))
        candidates = read_parquet(folder / "candidates.parquet", ("part", "item_id"))
        labels = np.char.add(
            np.char.add(table["part"].to_numpy().astype(str), "/"),
            table["role"].to_numpy().astype(str),
        )
        rows = ids.positions(ids.as_ids(table["user_id"]), interactions.user_ids)
        columns = ids.positions(ids.as_ids(table["item_id"]), interactions.item_ids)
        if rows.min() < 0 or columns.min() < 0:
            raise _other_data(folder)
        matrices = {
            str(label): _ones(rows[labels == label], columns[labels == label], train.shape)
            for label in np.unique(labels)
        }
        for matrix in matrices.values():
            left = without(train, matrix)
            if left.nnz != train.nnz - matrix.nnz:  # a held-out pair that is not in X
                raise _other_data(folder)
            train = left
        known = train
        for part in ("validation", "test", "warm"):
            if f"{part}/target" not in matrices:
                continue
            target = matrices[f"{part}/target"]
            allowed = ids.as_ids(candidates["item_id"].filter(pc.equal(candidates["part"], part)))
            places = np.sort(ids.positions(allowed, interactions.item_ids))
            if places.min(initial=0) < 0:
                raise _other_data(folder)
            parts[part] = HeldOut(matrices.get(f"{part}/source", known), target, places)
            if sources == "before":
                known = sp.csr_array(known + target)
    split = Split(
        saved["kind"],
        saved["settings"],
        interactions,
        train,
        **parts,
        sources=sources,
        trains=train.nnz > 0,
        about=saved.get("about", {}),
    )
    if split.hash != saved["hash"]:
        raise _other_data(folder)
    return split


def without(matrix: sp.csr_array, removed: sp.csr_array) -> sp.csr_array:
    """`matrix` less the entries that `removed` has; both binary."""
    left = sp.csr_array(matrix - matrix.multiply(removed))
    left.eliminate_zeros()
    left.sort_indices()
    return left


def _has_any(matrix: sp.csr_array) -> np.ndarray:
    """(rows,) bool: an entry other than zero."""
    matrix = sp.csr_array(matrix)
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return np.bincount(rows[matrix.data != 0], minlength=matrix.shape[0]) > 0


def _together(test: HeldOut, warm: HeldOut) -> HeldOut:
    """Both parts' targets among both parts' candidates."""
    target = sp.csr_array(test.target + warm.target)
    target.sort_indices()
    return HeldOut(test.source, target, np.union1d(test.candidates, warm.candidates))


def _ones(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> sp.csr_array:
    ones = np.ones(len(rows), dtype=np.float32)
    matrix = sp.csr_array(sp.coo_array((ones, (rows, columns)), shape=shape))
    matrix.sort_indices()
    return matrix


def _other_data(folder: Path) -> SplitError:
    return SplitError(
        f"the split in {folder} does not belong to these interactions",
        expected="the dataset it was made from, with the same filters",
        remedy="Load that dataset, or make the split again.",
    )
