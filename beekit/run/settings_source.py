"""How settings were chosen: what a configuration says of it, and what can be told without."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from beekit.errors import ConfigError
from beekit.json_values import plain
from beekit.models.registry import parameters
from beekit.report.settings import CHOSEN_ON, DEFAULTS, ELSEWHERE, NOT_STATED, TEST, VALIDATION
from beekit.results import FINE_TUNED, dataset_results, rows_of
from beekit.split import Split

_LONGEST = 200
# What changes no result, or is a draw rather than a choice.
_NEUTRAL = (
    *("seed", "data_seed", "device", "bf16", "fp16", "tf32", "use_cpu", "mini_batch_tokens"),
    *("eval_", "save_", "logging_", "log_level", "report_to", "disable_tqdm", "run_name"),
    *("dataloader_", "hub_", "push_to_hub", "metric_for_best_model", "greater_is_better"),
)


def check_chosen_on(key: str, value: str | None) -> None:
    """Refuse a value that is neither a known word nor a sentence in one line."""
    if value is None or value in CHOSEN_ON:
        return
    if " " in value.strip() and len(value) <= _LONGEST and value.isprintable():
        return
    near = difflib.get_close_matches(value.strip().lower(), CHOSEN_ON, n=1, cutoff=0.5)
    raise ConfigError(
        f"{key}={value!r}",
        expected=f"one of {', '.join(CHOSEN_ON)}, or a sentence in one line of at most "
        f"{_LONGEST} characters",
        remedy=f"Did you mean {near[0]}?" if near else "Say what the settings were compared on.",
    )


def require_validation(stated: Mapping[str, str | None], split: Split) -> None:
    """Refuse settings chosen on a validation part, by any key, where the split has none."""
    for key, value in stated.items():
        if value == VALIDATION and split.validation is None:
            found = f"{key}={value} and a {split.kind} split without a validation part"
            remedy = "Set split.validation, or say where the settings were really chosen."
            raise ConfigError(found, expected="a split that has one", remedy=remedy)


def settings_chosen(
    settings: Mapping[str, Any], kind: type, stated: str | None, above: str | None = None
) -> str:
    """What a row says under `settings_chosen`.

    `settings` are given for the model, or for the training, of the class `kind`: those that equal
    its defaults count as such. `stated` is `chosen_on` of the model itself, `above` that of the
    whole configuration, for all that has a choice.
    """
    if stated is not None:
        return stated
    taken = parameters(kind).items()
    choices = {name: one.default for name, one in taken if not name.startswith(_NEUTRAL)}
    if above is not None and choices:
        return above
    changed = [name for name, value in settings.items() if _differs(name, value, choices)]
    return NOT_STATED if changed else DEFAULTS


def _differs(name: str, value: Any, choices: Mapping[str, Any]) -> bool:
    # A field that is made anew for each object has no default to compare with.
    return not name.startswith(_NEUTRAL) and (
        name not in choices or plain(choices[name]) != plain(value)
    )


def settings_of_run(results: Mapping[str, Any], split: Split) -> str:
    """What a run says of its encoder's settings, as seen from the split of a comparison.

    What was chosen on another split's parts was chosen elsewhere.
    """
    rows = rows_of(results["rows"], FINE_TUNED)
    said = {str(row.get("settings_chosen", NOT_STATED)) for row in rows} or {NOT_STATED}
    if len(said) > 1:
        return NOT_STATED
    (chosen,) = said
    here = any(one.split["hash"] == split.hash for one in dataset_results(results))
    return ELSEWHERE if chosen in (TEST, VALIDATION) and not here else chosen
