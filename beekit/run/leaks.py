"""Whether an encoder learnt from what is held out here: by items and people, not by names.

An encoder from a run knows the items that the run trained on, and whatever its own encoder knew if
that came from a run. The same item is one of the same id whose text or picture is the same too,
whatever the folder is called and whichever filters were used: ids alone coincide between books 1 to
n and films 1 to n. Where the same people used the same ids, as the pairs noted with a run tell, the
items are the same whatever is written of them.

What is a leak depends on what is held out:

- cold items: an item held out here (in any part, validation too) that was trained on;
- interactions (the `warm` part, and splits by user, by time, published, and zero-shot): a
  held-out pair of user and item that was trained on. Items known from other people are none, and
  are said in a note, for such an evaluation is not of items never seen.

Doubt is refused: a run made before contents and pairs were noted, or one pulled from the Hub, which
leaves users out, is taken to know what it may know. Texts that are the same under other ids are
refused where they are most of the cold items, and said in a note where they are fewer. A run that
is evaluated on its own split stays what it was: what its other datasets told it is said in a note.

Left out: the validation items by which a run chose its checkpoint, for it did not learn from them;
and what is known of an encoder from the Hub or of a model copied out of its run, which is nothing.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import pyarrow as pa

from beekit.data import Dataset, ids
from beekit.data.content import content_digests
from beekit.errors import RunError
from beekit.run.folder import RunFolder
from beekit.run.reading import saved_configuration
from beekit.split import Split
from beekit.split.learnt import Learnt, load_learnt, pair_hashes

logger = logging.getLogger(__name__)

# From this share of pairs in common on, two datasets are of the same people, and from this share of
# items with the same content under other ids on, of the same items.
_MOST = 0.5


@dataclass(frozen=True)
class Source:
    """A dataset that an encoder learnt from.

    Attributes:
        run: who trained it.
        name, fingerprint: of the dataset.
        split_hash: of the split it was trained with.
        learnt: what is noted of the training; None where nothing is.
    """

    run: str
    name: str
    fingerprint: str
    split_hash: str
    learnt: Learnt | None


def run_of(encoder: str | None) -> Path | None:
    """The run on this machine whose model an encoder's path names, if it is one."""
    if encoder is None or Path(encoder).name != "model":
        return None
    run = Path(encoder).parent
    return run if RunFolder(run).kind is not None or (run / "results.json").is_file() else None


def sources(run: Path) -> list[Source]:
    """What a run's encoder learnt from: its datasets, and those of the runs it started from.

    Raises:
        RunError: no finished training.
    """
    found: list[Source] = []
    waiting, seen = [run], set()
    while waiting:
        folder = RunFolder(waiting.pop())
        if folder.path.resolve() in seen:
            continue
        seen.add(folder.path.resolve())
        folder.require_kind("training", "quickstart")
        results = folder.whole.read_results()
        parts = results.get("datasets", [{**results["dataset"], "split": results["split"]}])
        for part in parts:
            own = folder.whole.dataset(part["name"]) if "datasets" in results else folder.whole
            learnt = load_learnt(own.split)
            described = (part["name"], part["fingerprint"], part["split"]["hash"])
            found.append(Source(str(folder.path), *described, learnt))
        config = saved_configuration(folder.whole)
        before = map(run_of, (config.get("encoder"), config.get("image_encoder")))
        waiting += [place for place in before if place is not None]
    return found


def require_unseen(
    label: str, learnt: Sequence[Source], dataset: Dataset, split: Split, *, refuse: bool = True
) -> list[str]:
    """Refuse an encoder that learnt from what is held out here; see the module.

    Args:
        label: what the encoder is called here.
        learnt: what it learnt from.
        dataset, split: what is evaluated.
        refuse: as a rule; without, a leak is said as what does not matter here is.

    Returns:
        what to say of it beside its figures, also logged.

    Raises:
        RunError: so, with the first of the items.
    """
    if not split.parts:
        return []
    own = any(source.split_hash == split.hash for source in learnt)
    notes: list[str] = []
    for source in learnt:
        if source.split_hash == split.hash:
            continue
        check = _Check(label, source, dataset, split)
        try:
            notes += check.run()
        except RunError as error:
            if refuse and not own:
                raise
            notes.append(error.found)
    # Results are pushed: a run is named there by its folder, without the path to it.
    for source in learnt:
        notes = [note.replace(source.run, Path(source.run).name) for note in notes]
    notes = list(dict.fromkeys(notes))
    for note in notes:
        logger.warning("%s", note)
    return notes


class _Check:
    """One dataset that an encoder learnt from, held against one split."""

    def __init__(self, label: str, source: Source, dataset: Dataset, split: Split) -> None:
        self.label, self.source, self.dataset, self.split = label, source, dataset, split
        self.named_alike = source.name == dataset.name or source.fingerprint == dataset.fingerprint

    def run(self) -> list[str]:
        learnt = self.source.learnt
        if learnt is None:
            if self.named_alike:
                self._refuse("this dataset, of which it notes no items")
            return []
        same, renamed = self._items(learnt)
        notes = []
        if self.split.kind == "cold_start":
            notes += self._cold(same, renamed)
            parts = ["warm"] if "warm" in self.split.parts else []
        else:
            parts = list(self.split.parts)
        if parts:
            notes += self._pairs(learnt, same, renamed, parts)
        return notes

    def _items(self, learnt: Learnt) -> tuple[np.ndarray, np.ndarray]:
        """(items,) bool each: trained on under the same id, and under another by the content."""
        here = ids.as_ids(self.dataset.catalog.item_ids).cast(pa.large_string())
        place = ids.positions(here, learnt.item_ids.cast(pa.large_string()))
        mine = _telling(content_digests(self.dataset.catalog))
        theirs = _telling(learnt.contents or [[] for _ in range(len(learnt.item_ids))])
        anywhere = {digest for one in theirs for digest in one if digest.endswith("+")}
        same, other = np.zeros(len(here), dtype=bool), np.zeros(len(here), dtype=bool)
        for item in np.flatnonzero(place >= 0):
            ours, its = mine[item], theirs[place[item]]
            same[item] = bool(ours & its)
            other[item] = bool(ours and its and not ours & its)
        unknown = (place >= 0) & ~same & ~other
        self.people = self._same_people(learnt, place >= 0)
        self.doubt = bool(unknown.any() and not same.any() and not self.people)
        if other.sum() <= same.sum():
            same |= unknown
        if self.people:
            same |= place >= 0
        elif other.any():
            logger.info(
                "%s: %s item ids of %s are ids of %s too, with other contents: other items",
                self.label,
                f"{np.count_nonzero(other):,}",
                self.dataset.name,
                self.source.run,
            )
        renamed = np.array([bool(ours & anywhere) for ours in mine], dtype=bool) & ~same
        return same, renamed

    def _same_people(self, learnt: Learnt, shared: np.ndarray) -> bool:
        """Whether most pairs with the ids in common are pairs of the training, or the reverse."""
        X = self.split.interactions
        if learnt.pairs is None or not shared.any() or not len(learnt.pairs):
            return False
        hashes = pair_hashes(X, X.matrix)
        _, there = learnt.knows(hashes[shared[X.matrix.indices]])
        here = float(np.isin(learnt.pairs, hashes).mean())
        return max(there, here) >= _MOST

    def _cold(self, same: np.ndarray, renamed: np.ndarray) -> list[str]:
        held = np.zeros(len(same), dtype=bool)
        for part in self.split.parts.values():
            held[part.candidates] = held[part.target.indices] = True
        cold = np.zeros(len(same), dtype=bool)
        cold[self.split.cold_items] = True
        held &= cold
        leaked = np.flatnonzero(held & same)
        if len(leaked):
            self._refuse(f"{len(leaked):,} of the {held.sum():,} items held out here", leaked)
        alike = np.flatnonzero(held & renamed)
        if not len(alike):
            return []
        found = f"{len(alike):,} of the {held.sum():,} items held out here, under other ids"
        if len(alike) >= _MOST * held.sum():
            self._refuse(found, alike)
        return [f"{self.label}: {self.source.run} was trained on {found}{self._first(alike)}"]

    def _pairs(
        self, learnt: Learnt, same: np.ndarray, renamed: np.ndarray, parts: Sequence[str]
    ) -> list[str]:
        asked = 0
        leaked: list[np.ndarray] = []
        estimate = 0.0
        touched: list[np.ndarray] = []
        for name in parts:
            if name == "overall":  # its pairs are those of test and warm
                continue
            target = self.split.parts[name].target
            known = same[target.indices]
            asked += target.nnz
            touched.append(target.indices[known])
            if self.people:
                hashes = pair_hashes(self.split.interactions, target)
                trained, share = learnt.knows(hashes[known])
                leaked.append(touched[-1][trained])
                estimate += share * len(touched[-1])
        items = np.concatenate(leaked or [np.zeros(0, dtype=np.int64)])
        if len(items):
            about = "" if round(estimate) == len(items) else "about "
            found = f"{about}{round(estimate):,} of the {asked:,} interactions held out here"
            self._refuse(found, np.unique(items))
        if self.people:
            return []
        used = np.concatenate(touched)
        unsure = learnt.pairs is None and (self.named_alike or len(used) >= _MOST * asked)
        if len(used) and unsure:
            self.doubt = True
            self._refuse(f"{len(used):,} of the {asked:,} interactions held out", np.unique(used))
        used_here = np.zeros(len(same), dtype=bool)
        used_here[self.split.interactions.used_items] = True
        met = np.flatnonzero(used_here & (same | renamed))
        if not len(met):
            return []
        return [
            f"{self.label}: {self.source.run} was trained on {len(met):,} of the "
            f"{used_here.sum():,} items here, with other people{self._first(met)}"
        ]

    def _first(self, items: np.ndarray) -> str:
        shown = ", ".join(str(one) for one in self.dataset.catalog.item_ids[items[:3]])
        return f" (first: {shown})" if shown else ""

    def _refuse(self, what: str, items: np.ndarray | None = None) -> NoReturn:
        first = "" if items is None else self._first(items)
        unsure = items is not None and self.doubt
        trained = "may have been trained" if unsure else "was trained"
        why = "; it notes too little of its training to tell" if unsure else ""
        raise RunError(
            f"{self.label}: {self.source.run} {trained} under another split, on {what}{first}{why}",
            expected=f"an encoder that learnt from nothing that the split {self.split.hash[:12]} "
            "holds out",
            remedy="Train it with the same split section and filters, or evaluate it on the "
            "split it was trained with.",
        )


def _telling(digests: Sequence[Sequence[str]]) -> list[set[str]]:
    """Digests that one item has alone: a remark such as "no description" tells nothing."""
    counts = Counter(digest for own in digests for digest in own)
    return [{digest for digest in own if counts[digest] == 1} for own in digests]
