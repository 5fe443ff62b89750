"""The caption below every table: how the settings of each model were chosen, and which lists hold
every candidate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

DEFAULTS, VALIDATION, TEST, ELSEWHERE = "defaults", "validation", "test", "elsewhere"
NOT_STATED = "not stated"
CHOSEN_ON = (DEFAULTS, VALIDATION, TEST, ELSEWHERE)
"""The values that `chosen_on` may have; any other text is used as it is."""

_PHRASES = {
    DEFAULTS: "the library's defaults",
    VALIDATION: "chosen on the validation part",
    TEST: "chosen on the test part",
    ELSEWHERE: "chosen on another dataset",
    NOT_STATED: "how they were chosen is not stated",
}

MARK = "*"
"""Stands behind a value whose lists hold every candidate."""
_WHOLE = "lists that hold every candidate, whatever the model"


def settings_caption(rows: Iterable[Mapping[str, Any]], split: Mapping[str, Any]) -> str | None:
    """One sentence on the models of some rows of results.json, such as `Settings: EASE: chosen on
    the validation part; others: the library's defaults.`, and one on metrics that are marked. None
    if there are no rows."""
    rows = list(rows)
    whole = dict.fromkeys(
        n for row in rows for n, m in row.get("metrics", {}).items() if reaches_all(m)
    )
    marked = f" {MARK} {_WHOLE}: {', '.join(whole)}." if whole else ""
    said: dict[str, list[str]] = {}
    for row in rows:
        members = said.setdefault(_phrase(row.get("settings_chosen", NOT_STATED), split), [])
        if row["model"] not in members:
            members.append(row["model"])
    if len(said) < 2:
        return f"Settings: {next(iter(said))}.{marked}" if said else None
    # The largest group comes last, where "others" stands for its names; if two are equally large,
    # the one with the defaults.
    ordered = sorted(said, key=lambda p: (len(said[p]), p == _PHRASES[DEFAULTS]))
    parts = [f"{', '.join(said[phrase])}: {phrase}" for phrase in ordered[:-1]]
    return f"Settings: {'; '.join(parts)}; others: {ordered[-1]}.{marked}"


def reaches_all(metric: Mapping[str, Any]) -> bool:
    """Whether no user had more candidates than the cut of a metric of results.json."""
    return metric.get("reaches_all") is True


def _phrase(chosen: str, split: Mapping[str, Any]) -> str:
    phrase = _PHRASES.get(chosen, chosen.rstrip("."))
    alone = chosen == TEST and "test" in split and not split.get("validation")
    return f"{phrase}, because the split has no validation part" if alone else phrase
