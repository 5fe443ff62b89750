"""Non-negative elastic-net regression of many items at once, by coordinate descent.

For a target j with Gram matrix G = XᵀX the problem is

    minimise over w ≥ 0, w_j = 0:   ½‖x_j − X w‖² + ½ l2 ‖w‖² + l1 ‖w‖₁

and the step for one weight, the others held, w_i ← max(0, r_i + G_ii w_i − l1) / (G_ii + l2) with
r = G_·j − G w (Friedman, Hastie & Tibshirani 2010, section 2.1). Every step is taken for a batch of
targets together; loops run over sweeps and coordinates only. A target is done when its optimality
(KKT) conditions, |r_i − l1 − l2 w_i| = 0 where w_i > 0 and r_i ≤ l1 where w_i = 0, hold to within
tolerance · G_jj.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Coordinates whose steps are taken before the residuals of all others follow in one product.
_COORDINATES_AT_ONCE = 64


@dataclass(frozen=True)
class ElasticNet:
    """The penalties of what is minimised, and how closely, as `SLIM` has them."""

    l1: float
    l2: float
    tolerance: float
    max_sweeps: int

    def violation(self, weights: np.ndarray, residual: np.ndarray) -> np.ndarray:
        """How far the optimality conditions are off, entry by entry."""
        excess = residual - self.l1
        return np.where(weights > 0, np.abs(excess - self.l2 * weights), np.maximum(excess, 0))


def solve_blocks(
    net: ElasticNet, blocks: np.ndarray, linear: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of targets that each have a small Gram matrix of their own.

    Args:
        blocks: (coordinates, targets, coordinates) G_ik among each target's coordinates; the
            coordinate first, so that a step reads one contiguous slice.
        linear: (targets, coordinates) G_ij, negative where a coordinate is padding.
        scale: (targets,) G_jj.

    Returns:
        weights (targets, coordinates) float64, and which targets are done.
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
        still = net.violation(weights, residual).max(axis=1) > net.tolerance * scale[open_]
        found[open_] = weights
        done[open_] = ~still
        if not still.any():
            break
        # The blocks are large: they follow when half of them are no longer needed.
        if still.sum() <= len(open_) / 2:
            open_, weights, residual = open_[still], weights[still], residual[still]
            diagonal, blocks = diagonal[still], blocks[:, still]
    return found, done


def solve_shared(
    net: ElasticNet, gram: np.ndarray, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
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
        violation = net.violation(weights, residual)
        violation[targets[open_], np.arange(len(open_))] = 0
        still = violation.max(axis=0) > net.tolerance * scale[targets[open_]]
        found[:, open_] = weights
        done[open_] = ~still
        if not still.any():
            break
        open_, weights, residual = open_[still], weights[:, still], residual[:, still]
    return found, done


def _group_steps(
    net: ElasticNet, gram: np.ndarray, weights: np.ndarray, residual: np.ndarray, own: np.ndarray
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
