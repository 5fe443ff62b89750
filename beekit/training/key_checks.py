"""What is wrong with a section `training`, as far as that shows without the Trainer.

A key may be unknown, refused, of a wrong type, said twice, or without effect beside the others.
What the Trainer itself would say, of schedules and optimizers above all, shows once it is imported.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from typing import Any

from beekit.config_model import accepts_nothing, require_known, require_type
from beekit.errors import ConfigError
from beekit.training.keys import REFUSED, key_types
from beekit.training.optimizers import BY_LAYER, OPTIMIZERS
from beekit.training.reporters import REPORTERS

# Words that YAML reads as false where they stand without quotes: `save_strategy: no`.
_NO = dict.fromkeys(("save_strategy", "eval_strategy", "logging_strategy"), "no")
_NO |= {"report_to": "none"}
# Keys of which one says what the other says.
_TWICE = (
    ("epochs", "num_train_epochs"),
    ("epochs", "max_steps"),
    ("num_train_epochs", "max_steps"),
    ("warmup_steps", "warmup_ratio"),
    ("activation_checkpointing", "gradient_checkpointing"),
    ("activation_checkpointing_kwargs", "gradient_checkpointing_kwargs"),
)
# A key that needs another one of a certain value.
_STEPS = (
    ("save_steps", "save_strategy"),
    ("eval_steps", "eval_strategy"),
    ("logging_steps", "logging_strategy"),
)
_OF_VALIDATION = ("eval_delay", "eval_on_start", "metric_for_best_model", "greater_is_better")
_OF_REPORTS = {"run_name": "wandb", "project": "trackio"} | dict.fromkeys(
    ("trackio_space_id", "trackio_bucket_id", "trackio_static_space_id"), "trackio"
)
_WITHOUT_WARMUP = ("constant", "reduce_lr_on_plateau", "greedy")
_WITHOUT_SETTINGS = ("constant", "constant_with_warmup")
_OF_WORKERS = (
    *("dataloader_prefetch_factor", "dataloader_persistent_workers"),
    "dataloader_multiprocessing_context",
)


def checked_section(section: Mapping[str, Any]) -> dict[str, Any]:
    """A section `training` without keys that are unset by null, or ask for what is done anyway.

    `no` in a strategy is the word, though YAML reads it as false, and in `report_to` it is "none".

    Raises:
        ConfigError: if a key is unknown or refused, if a value has a wrong type or is out of range,
            if two keys say the same, or if a key would have no effect beside the others.
    """
    types, checked = key_types(), {}
    for key, value in section.items():
        if key in REFUSED:
            _require_not_refused(key, value)
            continue
        require_known(key, types, "training.")
        if value is None and not accepts_nothing(types[key]):
            continue
        if key in _NO and (value is False or value == "no"):
            value = _NO[key]
        if key == "optim" and value in BY_LAYER:
            raise ConfigError(
                f"training.optim={value!r}, which moves a layer as soon as it has a gradient",
                expected="an optimizer that waits for those of all mini-batches of a step",
                remedy="Choose another, such as adafactor to save memory.",
            )
        if key != "bf16" or value != "auto":
            require_type(f"training.{key}", value, types[key])
        checked[key] = value
    _require_said_once(checked)
    _require_effect(checked)
    _require_packages(checked)
    return checked


def _require_not_refused(key: str, value: Any) -> None:
    refused = REFUSED[key]
    if value is None or any(value == one and type(value) is type(one) for one in refused.passes):
        return
    expected = f"no such key, since {refused.since}"
    found = "training.hub_token" if key == "hub_token" else f"training.{key}={value!r}"
    raise ConfigError(found, expected=expected, remedy=refused.instead)


def _require_said_once(section: Mapping[str, Any]) -> None:
    for one, other in _TWICE:
        if one in section and other in section:
            found = f"training.{one} and training.{other} together"
            remedy = f"Leave one out; training.{other}=null unsets it."
            raise ConfigError(found, expected="one of the two", remedy=remedy)


def _require_effect(given: Mapping[str, Any]) -> None:
    """Refuse keys that say nothing beside the others, or what the others cannot have."""
    saved = given.get("save_strategy", "steps")
    # Validation follows the checkpoints where nothing is said of it.
    usual = {"eval_strategy": "steps" if saved == "best" else saved}
    for name, strategy in _STEPS:
        when = given.get(strategy, usual.get(strategy, "steps"))
        if name in given and when not in ("steps", "best"):
            raise _idle(name, f"{strategy}={when}", f"Leave it out, or set {strategy}=steps.")
        value = given.get(name, 1)
        if value > 1 and value != int(value):
            found = f"training.{name}={value!r}"
            expected = "a share of all steps, below 1, or a whole number of steps"
            raise ConfigError(found, expected=expected, remedy="Correct the value.")
    if given.get("eval_strategy", usual["eval_strategy"]) == "no":
        for name in _OF_VALIDATION:
            if given.get(name):
                raise _idle(name, "eval_strategy=no", "Leave it out, or set eval_strategy=steps.")
    reports = _reports(given)
    for name, needed in _OF_REPORTS.items():
        if name in given and not reports:
            raise _idle(name, "report_to=none", f"Leave it out, or set report_to={needed}.")
    warmup, steps = given.get("warmup_steps", 0), given.get("max_steps")
    if warmup > 1 and warmup != int(warmup):
        expected = "a share of all steps, below 1, or a whole number of steps"
        found = f"training.warmup_steps={warmup!r}"
        raise ConfigError(found, expected=expected, remedy="Correct the value.")
    if steps is not None and warmup > steps:
        found = f"training.warmup_steps={warmup} and training.max_steps={steps}"
        remedy = "Set fewer, or a share of all steps, such as 0.1."
        raise ConfigError(found, expected="a warm-up that ends before training does", remedy=remedy)
    scheduler = given.get("lr_scheduler_type", "linear")
    for name in ("warmup_steps", "warmup_ratio"):
        if given.get(name) and scheduler in _WITHOUT_WARMUP:
            remedy = "Choose another, such as constant_with_warmup."
            raise _idle(name, f"lr_scheduler_type={scheduler}", remedy)
    if given.get("lr_scheduler_kwargs") and scheduler in _WITHOUT_SETTINGS:
        raise _idle("lr_scheduler_kwargs", f"lr_scheduler_type={scheduler}", "Leave it out.")
    for name in _OF_WORKERS:
        if given.get(name) and given.get("dataloader_num_workers") == 0:
            raise _idle(name, "dataloader_num_workers=0", "Leave it out, or set workers.")
    for name in ("activation_checkpointing", "gradient_checkpointing"):
        settings = f"{name}_kwargs"
        if settings in given and not any(given.get(one) for one in _TWICE[4]):
            raise _idle(settings, f"no {name}", f"Set {name}=true, or leave it out.")
    for pattern in given.get("learning_rate_mapping", {}):
        try:
            re.compile(pattern)
        except re.error as error:
            found = f"training.learning_rate_mapping with {pattern!r} ({error})"
            expected = "regular expressions that match names of weights"
            raise ConfigError(found, expected=expected, remedy="Correct it.") from error
    if given.get("fp16") and given.get("bf16"):
        found = "training.fp16 and training.bf16 together"
        raise ConfigError(found, expected="one of the two", remedy="Leave one out.")
    if given.get("fp16") and given.get("use_cpu"):
        found, remedy = "training.fp16 with use_cpu", "Set bf16=auto, or leave both out."
        raise ConfigError(found, expected="a GPU, which fp16 needs", remedy=remedy)
    _require_read_by_optimizer(given)


def _require_read_by_optimizer(given: Mapping[str, Any]) -> None:
    name = given.get("optim", "adamw_torch_fused")
    reads = OPTIMIZERS[name]
    idle = [key for key in ("adam_beta1", "adam_beta2") if key in given and not reads.betas]
    idle += ["adam_epsilon"] * ("adam_epsilon" in given and not reads.epsilon)
    idle += ["optim_target_modules"] * ("optim_target_modules" in given and not reads.targets)
    for key in idle:
        raise _idle(key, f"optim={name}", "Leave it out, or choose another optimizer.")
    if reads.targets and "optim_target_modules" not in given:
        found, remedy = f"training.optim={name}", "Set it, for example to all-linear."
        raise ConfigError(found, expected="optim_target_modules beside it", remedy=remedy)
    for setting in filter(None, given.get("optim_args", "").replace(" ", "").split(",")):
        key, equals, value = setting.partition("=")
        if not (key and equals and value):
            found = f"training.optim_args={given['optim_args']!r}"
            raise ConfigError(found, expected="a text such as a=1,b=2", remedy="Correct it.")
        if reads.args is not None and key not in reads.args:
            raise ConfigError(
                f"training.optim_args with {key}, and optim={name}",
                expected=f"{', '.join(reads.args) or 'nothing'}, which {name} reads there",
                remedy="Leave it out, or set the argument of that name under training.",
            )


def _reports(given: Mapping[str, Any]) -> list[str]:
    """Where the training reports to; empty for nowhere."""
    reports = given.get("report_to", "none")
    return [one for one in ([reports] if isinstance(reports, str) else reports) if one != "none"]


def _require_packages(given: Mapping[str, Any]) -> None:
    name = given.get("optim", "adamw_torch_fused")
    package = OPTIMIZERS[name].package
    needed: dict[str, tuple[str, ...]] = {f"optim={name}": (package,) if package else ()}
    for report in _reports(given):
        needed[f"report_to={report}"] = REPORTERS.get(report, ())
    if given.get("lora") is not None:
        needed["lora"] = ("peft",)
    for key, packages in needed.items():
        for package in packages:
            if not _installed(package):
                raise ConfigError(
                    f"training.{key} without {package} installed",
                    expected="that package, which it needs",
                    remedy=f"Run: pip install {_PIP.get(package, package)}",
                )


_PIP = {
    "peft": "'beekit[peft]'",
    "comet_ml": "comet-ml",
    "azureml": "azureml-core",
    "galore_torch": "galore-torch",
    "apollo_torch": "apollo-torch",
    "optimi": "torch-optimi",
}
"""How packages are called where they are installed from, if not as they are imported."""


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _idle(key: str, beside: str, remedy: str) -> ConfigError:
    found = f"training.{key}, which has no effect with {beside}"
    return ConfigError(found, expected="keys that have one", remedy=remedy)
