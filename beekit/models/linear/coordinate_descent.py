"""Non-negative elastic-net regression of many items at once, by coordinate descent.

For a target j with Gram matrix G = XᵀX the problem is

    minimise over w ≥ 0, w_j = 0:   ½‖x_j − X w‖² + ½ l2 ‖w‖² + l1 ‖w‖₁

and the step for one weight, with the others fixed, is w_i ← max(0, r_i + G_ii w_i − l1) / (G_ii +
l2), where r = G_·j − G w (Friedman, Hastie & Tibshirani 2010, section 2.1). A step is computed for
a batch of targets together; Python loops run only over sweeps and coordinates. A target is done
when its optimality (KKT) conditions hold to within tolerance · G_jj; these are r_i − l1 − l2 w_i =
0 where w_i > 0, and r_i ≤ l1 where w_i = 0. The penalties, the tolerance and the maximum number of
sweeps are the settings of `net`, a `SLIM`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# After the steps of this many coordinates, one product updates the residuals of all others.
_COORDINATES_AT_ONCE = 64


def _violation(net: Any, weights: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """By how much each entry violates the optimality conditions."""
    excess = residual - net.l1
    off = np.where(weights > 0, np.abs(excess - net.l2 * weights), np.maximum(excess, 0))
    return np.asarray(off)


def solve_blocks(
    net: Any, blocks: np.ndarray, linear: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Solve for targets that each have a small Gram matrix of their own.

    Args:
        net: a `SLIM`.
        blocks: (coordinates, targets, coordinates) G_ik among each target's coordinates. The
            coordinate i comes first, so that a step reads one contiguous slice.
        linear: (targets, coordinates) G_ij, negative where a coordinate is padding.
        scale: (targets,) G_jj.

    Returns:
        weights (targets, coordinates), and (targets,) bool: whether a target is done.
    """
    targets, coordinates = linear.shape
    found = np.zeros((targets, coordinates))
    done = np.zeros(targets, dtype=bool)
    # The targets that are not done yet, with their weights, residuals and diagonals.
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
        # The blocks are large, so they are copied only when half of them are no longer needed.
        if still.sum() <= len(open_) / 2:
            open_, weights, residual = open_[still], weights[still], residual[still]
            diagonal, blocks = diagonal[still], blocks[:, still]
    return found, done


def solve_shared(net: Any, gram: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Solve for targets that are regressed on all other items.

    The steps of a group of coordinates update the residuals within the group immediately, and those
    of all other coordinates afterwards in one matrix product. The result is that of single steps.

    Args:
        net: a `SLIM`.
        gram: (items, items) G in float64, with a positive diagonal.
        targets: (targets,) row numbers in `gram`.

    Returns:
        weights (items, targets) float64, and (targets,) bool: whether a target is done.
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

    `own` (targets,) is the row of the group that is the target itself; a number outside the group
    if there is none.
    """
    steps = np.zeros_like(weights)
    for i in range(len(gram)):
        raw = residual[i] - gram[i, :i] @ steps[:i] + gram[i, i] * weights[i] - net.l1
        steps[i] = np.maximum(raw, 0) / (gram[i, i] + net.l2) - weights[i]
        steps[i, own == i] = 0
    return steps
