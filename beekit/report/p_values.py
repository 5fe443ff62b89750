"""The paired tests of a result, by the rows of its tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beekit.report import numbers

# What a comparison says of its p-values.
TESTS = ("p_value", "p_holm")


def tests_of(results: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """The comparison that each (scenario, model) lost to the best of its scenario, if made."""
    made = results.get("comparisons") or []
    if len({test["metric"] for test in made}) != 1:
        return {}
    usual = f"{results['split']['kind']}/test"
    return {(test.get("scenario", usual), test["second"]): test for test in made}


def p_values(test: Mapping[str, Any] | None) -> str:
    """Holm's p-value and the raw one, as a cell; empty without a test."""
    if not test:
        return ""
    raw = numbers.p_value(test.get("p_value"))
    return f"{numbers.p_value(test['p_holm'])} (raw {raw})" if "p_holm" in test else f"raw {raw}"
