"""Metrics that can tell one epoch or step from another on a validation part."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from beekit.errors import ConfigError
from beekit.evaluation.named_metrics import named_metric
from beekit.evaluation.scoring import most_candidates
from beekit.split import HeldOut

logger = logging.getLogger(__name__)

# Metrics that say which items a list holds, and not in which order.
_OF_SETS = ("recall", "calibrated_recall", "precision", "hit_rate", "coverage")


def telling_metric(
    metric: str,
    validations: Sequence[HeldOut],
    *,
    chosen: bool,
    key: str = "training.metric_for_best_model",
) -> str:
    """The metric, if it can tell one step from another on a validation part; else one that can.

    With as many places as there are candidates, every list holds all of them, so that recall is
    the same for every model.

    Args:
        metric: a name such as recall@10.
        validations: the parts it is to be measured on.
        chosen: whether a user named it; then it is kept or refused.
        key: the setting that names it, for messages.

    Raises:
        ConfigError: if the metric is `chosen` and cannot tell, or if no metric could.
    """
    most = max(most_candidates(one.source[one.users], one.candidates) for one in validations)
    named = named_metric(metric)
    if most > 1 and (named.kind not in _OF_SETS or named.k < most):
        return metric
    shorter = f"{named.kind}@{max(1, most // 4)}"
    if chosen or most < 2:
        raise ConfigError(
            f"{metric} as the metric of a validation part with {most} candidates a user, which is "
            "the same at every step",
            expected="a metric that can choose a step",
            remedy=f"Set {key}={shorter}, or hold out more items."
            if most > 1
            else "Hold out more items for validation.",
        )
    logger.warning(
        "validation part with %d candidates a user: checkpoints are judged by %s, since %s would "
        "be the same at every step",
        *(most, shorter, metric),
    )
    return shorter
