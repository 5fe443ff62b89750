"""Small worlds in which it is known what content says about use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import scipy.sparse as sp

from beekit.errors import ConfigError, DataError

GROUPS, FORMATS, SERIES = 4, 2, 9


@dataclass(frozen=True)
class World:
    """Items of four groups in two formats; users keep to a group and do not care for the format.

    Attributes:
        X: (users, items) interactions, none with cold items.
        content: (items, dims) where the format, which does not matter, is three times as large as
            the group, which does.
        group, layout: (items,) group and format of each item.
        cold: (items,) bool, a third of every group and format.
    """

    X: sp.csr_array
    content: np.ndarray
    group: np.ndarray
    layout: np.ndarray
    cold: np.ndarray


def misleading_world(seed: int = 0, users: int = 240) -> World:
    generator = np.random.default_rng(seed)
    group, layout, number = (
        axis.ravel() for axis in np.indices((GROUPS, FORMATS, SERIES), dtype=np.int64)
    )
    cold = number % 3 == 2
    plain = np.concatenate(
        [np.eye(GROUPS)[group], 3 * np.eye(FORMATS)[layout], np.zeros((len(group), 6))], axis=1
    )
    turn, _ = np.linalg.qr(generator.normal(size=(plain.shape[1], plain.shape[1])))
    content = plain @ turn + 0.05 * generator.normal(size=plain.shape)
    dense = np.zeros((users, len(group)), dtype=np.float32)
    for user in range(users):
        theirs = np.flatnonzero((group == user % GROUPS) & ~cold)
        dense[user, generator.choice(theirs, 6, replace=False)] = 1
    return World(sp.csr_array(dense), content.astype(np.float32), group, layout, cold)


def history(world: World, group: int, layout: int) -> sp.csr_array:
    """One user with three warm items of a group, all in one format."""
    warm = np.flatnonzero((world.group == group) & (world.layout == layout) & ~world.cold)[:3]
    dense = np.zeros((1, len(world.group)), dtype=np.float32)
    dense[0, warm] = 1
    return sp.csr_array(dense)


def finds_the_group(model, world: World) -> bool:
    """Whether the cold items of a user's group, in both formats, come before all others."""
    candidates = np.flatnonzero(world.cold)
    for group in range(GROUPS):
        wanted = candidates[world.group[candidates] == group]
        for layout in range(FORMATS):
            found, _ = model.recommend(history(world, group, layout), len(wanted), candidates)
            if set(found[0]) != set(wanted):
                return False
    return True


def joins_as_from_the_start(model, world: World, folder) -> None:
    """Check `add_items` of a fitted model on copies of cold items, added after it was loaded."""
    model.save(folder)
    grown = type(model).load(folder)
    items, copies = len(world.group), int(world.cold.sum())
    assert grown.add_items(world.content[world.cold]) is grown
    np.testing.assert_array_equal(grown.item_vectors[:items], model.item_vectors)
    np.testing.assert_array_equal(grown.user_side[:items], model.user_side)
    assert grown.user_side.shape == (items + copies, model.user_side.shape[1])
    assert not grown.user_side[items:].any()
    # Sums of some thirty float32 products, whose terms may be a few times as large as the sums.
    rounding = 100 * float(np.finfo(np.float32).eps) * np.abs(model.item_vectors).max()
    originals = model.item_vectors[world.cold]
    np.testing.assert_allclose(grown.item_vectors[items:], originals, rtol=0, atol=rounding)
    # Added in two parts, and after saving once more, they are the same.
    grown.save(folder)
    again = type(model).load(folder).add_items(world.content[world.cold][:1])
    np.testing.assert_allclose(again.item_vectors[-1], originals[0], rtol=0, atol=rounding)
    wider = sp.csr_array(
        sp.hstack([world.X, sp.csr_array((world.X.shape[0], copies), dtype=np.float32)])
    )
    added = np.arange(items, items + copies)
    found, _ = grown.recommend(wider, copies, added)
    assert set(found.ravel().tolist()) == set(added.tolist())
    with pytest.raises(DataError, match="dimensions"):
        grown.add_items(world.content[:, :-1])
    with pytest.raises(ConfigError, match="before fit"):
        type(model)(world.content).add_items(world.content)


def with_some_left_out(world: World) -> tuple[np.ndarray, np.ndarray]:
    """Item indices with half the cold items left out, and those left out."""
    out = np.flatnonzero(world.cold)[::2]
    return np.setdiff1d(np.arange(len(world.group)), out), out
