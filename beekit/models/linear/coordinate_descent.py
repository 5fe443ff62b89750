"""Non-negative elastic-net regression of many items at once, by coordinate descent.

For a target j with Gram matrix G = XᵀX the problem is

    minimise over w ≥ 0, w_j = 0:   ½‖x_j − X w‖² + ½ l2 ‖w‖² + l1 ‖w‖₁

and the step for one weight, the others held, w_i ← max(0, r_i + G_ii w_i − l1) / (G_ii + l2) with
r = G_·j − G w (Friedman, Hastie & Tibshirani 2010, section 2.1). Every step is taken for a batch of
targets together; loops run over sweeps and coordinates only. A target is done when its optimality
(KKT) conditions, |r_i − l1 − l2 w_i| = 0 where w_i > 0 and r_i ≤ l1 where w_i = 0, hold to within
tolerance · G_jj. The penalties, the tolerance and the most sweeps are those of `net`, a `SLIM`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# Coordinates whose steps are taken before the residuals of all others follow in one product.
_COORDINATES_AT_ONCE = 64


def _violation(net: Any, weights: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """How far the optimality conditions are off, entry by entry."""
    excess = residual - net.l1
    off = np.where(weights > 0, np.abs(excess - net.l2 * weights), np.maximum(excess, 0))
    return np.asarray(off)


def solve_blocks(
    net: Any, blocks: np.ndarray, linear: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weights (targets, coordinates) of targets with a small Gram matrix each, and which are done.

    Args:
        blocks: (coordinates, targets, coordinates) G_ik among each target's coordinates; the
            coordinate first, so that a step reads one contiguous slice.
        linear: (targets, coordinates) G_ij, negative where a coordinate is padding.
        scale: (targets,) G_jj.
    """
    targets, coordinates = linear.shape
    found = np.zeros((targets, coordinates))
    done = np.zeros(targets, dtype=bool)
    # Those not done, and what is kept of them.
    open_ = np.arange(targets)
    weights, residual = np.zeros((targets, coordinates)), linear.astype(np.float64)
    diagonal = np.einsum("iti->ti", blocks).astype(np.float64)
    for _ in range(net.max_sweeps):
        for i in range(coordinates):
            old = weights[:, i]
            raw = residual[:, i] + diagonal[:, i] * old - net.l1
            step = np.maximum(raw, 0) / (diagonal[:, i] + net.l2) - old
            moved = np.flatnonzero(step)
            if len(moved):
                weights[moved, i] += step[moved]
                residual[moved] -= step[moved, None] * blocks[i, moved]
        still = _violation(net, weights, residual).max(axis=1) > net.tolerance * scale[open_]
        found[open_] = weights
        done[open_] = ~still
        if not still.any():
            break
        # The blocks are large: they follow when half of them are no longer needed.
        if still.sum() <= len(open_) / 2:
            open_, weights, residual = open_[still], weights[still], residual[still]
            diagonal, blocks = diagonal[still], blocks[:, still]
    return found, done


def solve_shared(net: Any, gram: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (items, targets) float64 of targets regressed on all others, and which are done.

    Steps of a group of coordinates change the residuals within the group at once and those of all
    others in one matrix product after it: the sequence of steps is the same. `gram` (items, items)
    is G in float64, its diagonal positive.
    """
    found = np.zeros((len(gram), len(targets)))
    done = np.zeros(len(targets), dtype=bool)
    open_ = np.arange(len(targets))
    weights, residual = np.zeros_like(found), gram[:, targets].copy()
    scale = np.diagonal(gram)
    for _ in range(net.max_sweeps):
        for begin in range(0, len(gram), _COORDINATES_AT_ONCE):
            group = slice(begin, begin + _COORDINATES_AT_ONCE)
            steps = _group_steps(
                net, gram[group, group], weights[group], residual[group], targets[open_] - begin
            )
            weights[group] += steps
            residual -= gram[group].T @ steps
        violation = _violation(net, weights, residual)
        violation[targets[open_], np.arange(len(open_))] = 0
        still = violation.max(axis=0) > net.tolerance * scale[targets[open_]]
        found[:, open_] = weights
        done[open_] = ~still
        if not still.any():
            break
        open_, weights, residual = open_[still], weights[:, still], residual[:, still]
    return found, done


def _group_steps(
    net: Any, gram: np.ndarray, weights: np.ndarray, residual: np.ndarray, own: np.ndarray
) -> np.ndarray:
    """One step for each coordinate of a group (coordinates, targets), one after the other.

    `own` (targets,) is where in the group a target itself is; outside it if it is not there.
    """
    steps = np.zeros_like(weights)
    for i in range(len(gram)):
        raw = residual[i] - gram[i, :i] @ steps[:i] + gram[i, i] * weights[i] - net.l1
        steps[i] = np.maximum(raw, 0) / (gram[i, i] + net.l2) - weights[i]
        steps[i, own == i] = 0
    return steps
