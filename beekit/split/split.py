"""A split: the training and held-out parts of X, with a hash, saved and loaded by ids."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from beekit.errors import DataError, SplitError
from beekit.files import replacing_folder
from beekit.finite import finite_csr
from beekit.lazy_names import LazyModule
from beekit.run_files import read_json, read_parquet
from beekit.split.entries import used_items

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    import scipy.sparse as sp

    from beekit.data import Interactions, ids
    from beekit.matrices import Reads
else:
    pa = LazyModule("pyarrow")
    pc = LazyModule("pyarrow.compute")
    pq = LazyModule("pyarrow.parquet")
    sp = LazyModule("scipy.sparse")
    ids = LazyModule("beekit.data.ids")

# The `sources` of splits that were saved by versions that did not save it.
_SOURCES_BEFORE = {"user": "own", "zero_shot": "own", "time": "before"}


@dataclass(frozen=True)
class HeldOut:
    """The known and the hidden interactions of test or validation users.

    Attributes:
        source: (users, items) known interactions.
        target: (users, items) hidden interactions; a user with a target may have no source.
        candidates: item indices that may be recommended, made distinct and ascending.

    Raises:
        DataError: if shapes differ, if a number is not finite, or if a candidate is not the index
            of an item.
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
            found = f"candidates of shape {given.shape} and type {given.dtype}"
            remedy = "Give each candidate by its column number in X."
            raise DataError(found, expected=f"item indices from 0 to {items - 1:,}", remedy=remedy)
        object.__setattr__(self, "candidates", np.unique(given.astype(np.int64)))

    def with_numbers(self, **read: sp.csr_array) -> HeldOut:
        """The part with times or ratings as the numbers of `source`, `target` or both. Its users
        are the same, also where a number is zero."""
        part = replace(self, **read)
        part.__dict__["users"] = self.users
        return part

    @cached_property
    def users(self) -> np.ndarray:
        """The indices of users with a source and a target, ascending: those that are evaluated."""
        return np.flatnonzero(_has_any(self.source) & _has_any(self.target))


@dataclass(frozen=True)
class Split:
    """Training interactions and held-out parts over the same users and items.

    Attributes:
        kind: "cold_start", "user", "time", "random", "zero_shot", "published", "none", or an import
            path.
        settings: the settings the split was made with.
        interactions: all of X.
        train: (users, items) the interactions that models may learn from.
        validation, test: the held-out parts, or None.
        warm: in a cold-start split, held-out interactions with training items; else None.
        sources: where the sources of the held-out parts come from, which loading a saved split
            needs to know: "train" (the training interactions), "before" (train and all parts before
            this one), or "own" (interactions that are in no other part).
        trains: whether a split without training interactions is refused.
        about: texts on a kind from outside that results keep, such as its meaning.
        parts: the held-out parts by name. If there is a warm part, also `overall`, with the targets
            and candidates of test and warm together.

    Raises:
        DataError: if `train` has another shape than X, or if a number is not finite.
        SplitError: if a part has no user with a source and a target, or if there are no training
            interactions and `trains` is true.
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
                found = f"the {self.kind} split leaves no {name} user with a source and a target"
                without = "set validation=0, " if name == "validation" else ""
                remedy = f"Hold out another share, {without}or lower the support filters."
                raise SplitError(found, expected="at least one", remedy=remedy)
        if self.train.nnz == 0 and self.trains:
            found = f"the {self.kind} split leaves no training interactions"
            raise SplitError(found, expected="at least one", remedy="Hold out a smaller share.")

    def read_as(self, reads: Reads) -> Split:
        """The split with the numbers that a model reads in the training part and the sources.

        Raises:
            DataError: if the interactions do not have them.
        """
        if reads == "items":
            return self
        valued = self.interactions.valued

        def read(part: HeldOut | None) -> HeldOut | None:
            return part and part.with_numbers(source=valued(part.source, reads))

        validation, test, warm = map(read, (self.validation, self.test, self.warm))
        train = valued(self.train, reads)
        return replace(self, train=train, validation=validation, test=test, warm=warm)

    def rated(self, part: str) -> HeldOut:
        """A held-out part with ratings as the numbers of its sources and targets.

        Raises:
            DataError: if the interactions have no values.
        """
        held, valued = self.parts[part], self.interactions.valued
        read = {role: valued(getattr(held, role), "values") for role in ("source", "target")}
        return held.with_numbers(**read)

    @property
    def cold_items(self) -> np.ndarray:
        """The indices of items without a training interaction, ascending."""
        every = np.arange(self.interactions.n_items)
        cold: np.ndarray = np.setdiff1d(every, used_items(self.train))
        return cold

    @property
    def training_item_ids(self) -> np.ndarray:
        """The caller's ids of the items with a training interaction."""
        trained: np.ndarray = self.interactions.item_ids[used_items(self.train)]
        return trained

    @cached_property
    def hash(self) -> str:
        """The SHA-256 of kind, ids and all parts: the same for equal splits, on any machine."""
        by_id = np.argsort(self.interactions.item_ids, kind="stable")
        rank = np.argsort(by_id)
        known = self.interactions
        arrays = [pa.array([self.kind]), known.user_ids, known.item_ids[by_id]]
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
        """Kind, hash, settings and counts, for results.json."""
        return {
            "kind": self.kind,
            "hash": self.hash,
            "settings": dict(self.settings),
            "train": {"interactions": int(self.train.nnz), "cold_items": len(self.cold_items)},
            **({"about": dict(self.about)} if self.about else {}),
            **{
                name: {
                    "users": len(part.users),
                    "targets": int(part.target.nnz),
                    "candidates": len(part.candidates),
                }
                for name, part in self.parts.items()
            },
        }

    def save(self, folder: str | Path) -> None:
        """Write `split.json`, `held_out.parquet` (part, role, user_id, item_id),
        `candidates.parquet` (part, item_id) and `training_items.parquet` (item_id). If that fails,
        the folder stays as it was."""
        with replacing_folder(folder) as staging:
            said = {**self.summary(), "sources": self.sources}
            (staging / "split.json").write_text(json.dumps(said, indent=2) + "\n")
            training = pa.table({"item_id": ids.as_ids(self.training_item_ids)})
            pq.write_table(training, staging / "training_items.parquet")
            if not self.parts:
                return
            held_out, candidates = [], []
            for part, held in self.parts.items():
                candidates.append(self._rows({"part": part}, held.candidates))
                for role, matrix in (("source", held.source), ("target", held.target)):
                    # The part "overall" is left out, because it can be made from test and warm.
                    if part != "overall" and (role == "target" or self.sources == "own"):
                        users = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
                        words = {"part": part, "role": role}
                        held_out.append(self._rows(words, matrix.indices, users))
            pq.write_table(pa.concat_tables(held_out), staging / "held_out.parquet")
            pq.write_table(pa.concat_tables(candidates), staging / "candidates.parquet")

    def _rows(
        self, words: Mapping[str, str], items: np.ndarray, users: np.ndarray | None = None
    ) -> pa.Table:
        """A table of the ids of these items (and users), with the same `words` in every row."""
        columns = {key: pa.array([word] * len(items), pa.string()) for key, word in words.items()}
        if users is not None:
            columns["user_id"] = ids.as_ids(self.interactions.user_ids[users])
        return pa.table({**columns, "item_id": ids.as_ids(self.interactions.item_ids[items])})


def load_training_item_ids(folder: str | Path) -> np.ndarray:
    """The caller's ids of the training items of a saved split.

    Raises:
        SplitError: if the folder holds no split.
        RunError: if the file is broken.
    """
    path = _saved(folder, "training_items.parquet")
    return ids.to_numpy(ids.as_ids(read_parquet(path, ("item_id",))["item_id"]))


def load_split(folder: str | Path, interactions: Interactions) -> Split:
    """The split saved in `folder`; `interactions` are those that it was made from.

    Raises:
        SplitError: if the folder holds no split, if the held-out interactions are missing (as in a
            run pulled from the Hub), or if the split was made from other interactions.
        RunError: if one of its files is broken.
    """
    folder = Path(folder)
    saved = read_json(_saved(folder, "split.json"), ("kind", "settings", "hash"))
    if "test" in saved and not (folder / "held_out.parquet").is_file():
        raise SplitError(
            f"no held_out.parquet in {folder}",
            expected="the held-out interactions, which a pushed run does not contain",
            remedy="Make the split again from the dataset, as `beekit verify` does.",
        )
    sources = saved.get("sources", _SOURCES_BEFORE.get(saved["kind"], "train"))
    parts: dict[str, HeldOut] = {}
    train = interactions.matrix
    if (folder / "held_out.parquet").is_file():
        table = read_parquet(folder / "held_out.parquet", ("part", "role", "user_id", "item_id"))
        candidates = read_parquet(folder / "candidates.parquet", ("part", "item_id"))
        part_names, roles = (table[name].to_numpy().astype(str) for name in ("part", "role"))
        labels = np.char.add(np.char.add(part_names, "/"), roles)
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


def _saved(folder: str | Path, name: str) -> Path:
    """The path of a file that every saved split has."""
    if not (Path(folder) / name).is_file():
        found = f"no {name} in {folder}"
        remedy = "Check the path, or make the split again."
        raise SplitError(found, expected="a folder written by Split.save", remedy=remedy)
    return Path(folder) / name


def without(matrix: sp.csr_array, removed: sp.csr_array) -> sp.csr_array:
    """`matrix` without the entries of `removed`; both are binary."""
    left = sp.csr_array(matrix - matrix.multiply(removed))
    left.eliminate_zeros()
    left.sort_indices()
    return left


def _has_any(matrix: sp.csr_array) -> np.ndarray:
    """(rows,) bool: whether a row has an entry other than zero."""
    matrix = sp.csr_array(matrix)
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return np.bincount(rows[matrix.data != 0], minlength=matrix.shape[0]) > 0


def _together(test: HeldOut, warm: HeldOut) -> HeldOut:
    """The part with the targets and the candidates of both parts."""
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
