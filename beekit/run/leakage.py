"""Whether an encoder was trained on what is held out here, told by items and users, not by names.

An encoder from a run knows what the run trained on, and what the encoder it started from knew. Two
items are the same if they have the same id and the same text or picture: ids alone coincide between
books 1 to n and films 1 to n. Users are the same if more of the pairs of user and item here were
trained on than chance explains; chance is measured by exchanging users of like activity, or of
neighbouring ids. Items that the same users used are the same, whatever is written of them, and so
are items with the same text under other ids.

What a leak is depends on the split:

- cold start: an item held out here, in any part, that was trained on;
- every other split, and the part `warm`: a held-out pair of user and item that was trained on.
  Items known from other users are no leak; a note says how many there are.

An encoder of which too little is known is refused: one from a run that noted no contents or no
pairs, or that was pulled from the Hub, which leaves users out, unless the run's dataset is still
there to tell. The same texts under other ids are refused where they are most of the cold items;
where they are fewer, a note says so. The split that a dataset was trained with is no leak of that
dataset; what other datasets of the same training tell of it is said in a note.

Left out: the validation items by which a run chose its checkpoint, for it did not learn from them;
users under other ids; and encoders from the Hub, or copied out of their run, of which nothing is
known.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import NoReturn

import numpy as np
import pyarrow as pa

from beekit.data import Dataset, ids
from beekit.data.content_digests import content_digests
from beekit.errors import RunError
from beekit.run.training_history import Source, shown
from beekit.split import Split
from beekit.split.training_record import PAIRS, TrainingRecord, pair_hashes

logger = logging.getLogger(__name__)

# From this share of cold items with the same content under other ids on, the items are the same.
_MOST = 0.5
# Pairs that were trained on are more than chance explains from so many times as many on, or from
# this share of all that are left, and from so many standard deviations above it.
_TIMES, _SHARE, _DEVIATIONS = 1.5, 0.5, 5.0
# So often users are taken for one another to see what chance explains.
_DRAWS = 4
# Fewer pairs say nothing of people.
_FEWEST = 10


def require_unseen(
    label: str, learnt: Sequence[Source], dataset: Dataset, split: Split, *, refuse: bool = True
) -> list[str]:
    """Refuse an encoder, called `label`, that learnt from what is held out here; see the module.

    Returns:
        notes to show beside its figures, also logged; without `refuse`, a leak is one of them.
        Results are pushed: a run is named there by its folder, without the path to it.
    """
    if not split.parts:
        return []
    notes: list[str] = []
    own = {source.together for source in learnt if source.split_hash == split.hash} - {""}
    for source in learnt:
        if source.split_hash == split.hash:
            continue
        may = refuse and source.together not in own
        check = _Check(label, source, dataset, split, source.run if may else shown(source.run))
        try:
            notes += check.run()
        except RunError as error:
            if may:
                raise
            notes.append(error.found)
    notes = list(dict.fromkeys(notes))
    for note in notes:
        logger.warning("%s", note)
    return notes


class _Check:
    """One dataset that an encoder learnt from, held against one split."""

    def __init__(
        self, label: str, source: Source, dataset: Dataset, split: Split, refused: str
    ) -> None:
        self.label, self.source, self.dataset, self.split = label, source, dataset, split
        self.refused, self.noted = refused, shown(source.run)  # the run in errors and in notes
        self.own = source.fingerprint == dataset.fingerprint  # the very dataset
        self.named_alike = source.name == dataset.name or self.own

    def run(self) -> list[str]:
        learnt = self.source.learnt
        if learnt is None:  # whatever the datasets are called
            self.doubt = True
            self._refuse("this dataset")
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

    def _items(self, learnt: TrainingRecord) -> tuple[np.ndarray, np.ndarray]:
        """(items,) bool each: trained on under the same id, and under another by the content."""
        here = ids.as_ids(self.dataset.catalog.item_ids).cast(pa.large_string())
        place = ids.positions(here, learnt.item_ids.cast(pa.large_string()))
        mine = _telling(content_digests(self.dataset.catalog, numbers=learnt.numbers))
        theirs = _telling(learnt.contents or [[] for _ in range(len(learnt.item_ids))])
        anywhere = {d: number for number, own in enumerate(theirs) for d in own if d[-1:] == "+"}
        same, other = np.zeros(len(here), dtype=bool), np.zeros(len(here), dtype=bool)
        for item in np.flatnonzero(place >= 0):
            ours, its = mine[item], theirs[place[item]]
            same[item] = bool(ours & its)
            other[item] = bool(ours and its and not ours & its)
        unknown = (place >= 0) & ~same & ~other
        self.people = self._same_people(learnt, place)
        self.doubt = bool(unknown.any() and not same.any() and not self.people)
        if other.sum() <= same.sum():
            same |= unknown
        if self.people or self.own:
            same |= place >= 0
        elif other.any():
            said = "%s: %s item ids of %s are ids of %s too, with other contents: other items"
            count = f"{np.count_nonzero(other):,}"
            logger.info(said, self.label, count, self.dataset.name, self.source.run)
        named = [next((anywhere[d] for d in sorted(own) if d in anywhere), -1) for own in mine]
        self.place = np.where(same, place, np.asarray(named, dtype=np.int64))
        renamed = (self.place >= 0) & ~same
        if not self.people:
            self.people = self._same_people(learnt, self.place)
        # What the same people used under other ids is the same.
        return (same | renamed, renamed & False) if self.people else (same, renamed)

    def _same_people(self, learnt: TrainingRecord, place: np.ndarray) -> bool:
        """Whether more pairs were trained on than chance explains.

        `place` (items,) is each item's among those of the training, -1 for none.
        """
        X = self.split.interactions
        matched = place[X.matrix.indices] >= 0
        names = self._names(learnt, place)
        known, asked = _known(learnt, pair_hashes(X, X.matrix, item_ids=names)[matched])
        self.compared = asked >= _FEWEST
        if self.own and learnt.pairs is not None:
            self._require_own_pairs(learnt.pairs)
            return True
        if not known:
            return False
        rows = np.repeat(np.arange(X.n_users), np.diff(X.matrix.indptr))
        used = np.bincount(rows[matched], minlength=X.n_users)
        active = np.flatnonzero(used)
        orders = (np.argsort(used[active], kind="stable"), _by_id(X.user_ids[active]))
        chance = 0.0
        for order in (active[each] for each in orders):
            by_chance = []
            for step in range(1, min(_DRAWS, len(order) - 1) + 1):
                users = X.user_ids.copy()
                users[order] = X.user_ids[np.roll(order, step)]
                hashes = pair_hashes(X, X.matrix, user_ids=users, item_ids=names)
                by_chance.append(_known(learnt, hashes[matched])[0])
            chance = max(chance, float(np.mean(by_chance or [0])))
        more = known - chance
        clearly = known >= _TIMES * chance or more >= _SHARE * (asked - chance)
        return clearly and more > _DEVIATIONS * (chance + 1) ** 0.5

    def _require_own_pairs(self, pairs: np.ndarray) -> None:
        """Refuse pairs that the dataset has not: they are not of the training they are noted of."""
        X = self.split.interactions
        missing = np.count_nonzero(~np.isin(pairs, pair_hashes(X, X.matrix)))
        if missing:
            raise RunError(
                f"{self.label}: {missing:,} of the {len(pairs):,} interactions that "
                f"{self.refused} notes of its training are not in the dataset it was trained on",
                expected=f"{PAIRS} beside its split as beekit wrote it",
                remedy="Restore that file from a copy, or train it again.",
            )

    def _names(self, learnt: TrainingRecord, place: np.ndarray) -> np.ndarray:
        """(items,) ids as the training has them."""
        names = ids.to_numpy(ids.as_ids(self.dataset.catalog.item_ids).cast(pa.large_string()))
        names = names.copy()
        its = ids.to_numpy(learnt.item_ids.cast(pa.large_string()))
        names[place >= 0] = its[place[place >= 0]]
        return names

    def _cold(self, same: np.ndarray, renamed: np.ndarray) -> list[str]:
        """Refuse or note items held out here that were trained on."""
        held = np.zeros(len(same), dtype=bool)
        for part in self.split.parts.values():
            held[part.candidates] = held[part.target.indices] = True
        held &= np.isin(np.arange(len(same)), self.split.cold_items)
        leaked = np.flatnonzero(held & same)
        if len(leaked):
            self._refuse(f"{len(leaked):,} of the {held.sum():,} items held out here", leaked)
        alike = np.flatnonzero(held & renamed)
        if not len(alike):
            return []
        found = f"{len(alike):,} of the {held.sum():,} items held out here, under other ids"
        if len(alike) >= _MOST * held.sum():
            self._refuse(found, alike)
        return [f"{self.label}: {self.noted} was trained on {found}{self._first(alike)}"]

    def _pairs(
        self, learnt: TrainingRecord, same: np.ndarray, renamed: np.ndarray, parts: Sequence[str]
    ) -> list[str]:
        """Refuse or note pairs held out here that were trained on."""
        asked, estimate = 0, 0.0
        leaked: list[np.ndarray] = []
        touched: list[np.ndarray] = []
        for name in parts:
            if name == "overall":  # its pairs are those of test and warm
                continue
            target = self.split.parts[name].target
            known = same[target.indices]
            asked += target.nnz
            touched.append(target.indices[known])
            if self.people:
                names = self._names(learnt, self.place)
                hashes = pair_hashes(self.split.interactions, target, item_ids=names)
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
        unsure = not self.compared and (self.named_alike or len(used) >= _MOST * asked)
        if len(used) and unsure:
            self.doubt = True
            self._refuse(f"{len(used):,} of the {asked:,} interactions held out", np.unique(used))
        used_here = np.isin(np.arange(len(same)), self.split.interactions.used_items)
        met = np.flatnonzero(used_here & (same | renamed))
        if not len(met):
            return []
        people = "people of whom it notes too little to tell whether they are these"
        if self.compared:
            people = "other people, as far as their ids tell"
        return [
            f"{self.label}: {self.noted} was trained on {len(met):,} of the "
            f"{used_here.sum():,} items here, with {people}{self._first(met)}"
        ]

    def _first(self, items: np.ndarray) -> str:
        shown = ", ".join(str(one) for one in self.dataset.catalog.item_ids[items[:3]])
        return f" (first: {shown})" if shown else ""

    def _refuse(self, what: str, items: np.ndarray | None = None) -> NoReturn:
        first = "" if items is None else self._first(items)
        trained = "may have been trained" if self.doubt else "was trained"
        why = "; it notes too little of its training to tell" if self.doubt else ""
        remedy = "Train it with the same split and filters, or evaluate it on the split it had."
        if self.doubt:
            remedy = "Set `data` in that run's config.yaml to its own dataset, or train it again."
        found = f"{self.label}: {self.refused} {trained} under another split, on {what}{first}{why}"
        expected = f"an encoder that learnt nothing that split {self.split.hash[:12]} holds out"
        raise RunError(found, expected=expected, remedy=remedy)


def _known(learnt: TrainingRecord, hashes: np.ndarray) -> tuple[int, int]:
    """How many of some pairs were trained on, and among how many that would be noted."""
    if learnt.pairs is None:
        return 0, 0
    known, _ = learnt.knows(hashes)
    return int(known.sum()), int((hashes <= np.uint64(learnt.below)).sum())


def _by_id(user_ids: np.ndarray) -> np.ndarray:
    """Order of users by their ids: "9" before "10"."""
    return np.argsort(ids.to_numpy(ids.plain_integers(ids.as_ids(user_ids))), kind="stable")


def _telling(digests: Sequence[Sequence[str]]) -> list[set[str]]:
    """Digests that one item has alone: a remark such as "no description" tells nothing."""
    counts = Counter(digest for own in digests for digest in set(own))
    return [{digest for digest in own if counts[digest] == 1} for own in digests]
