"""Every argument of a training is in one list, and what the lists say is so."""

from __future__ import annotations

import dataclasses
import json
import typing

import pytest
from pydantic import TypeAdapter
from transformers.debug_utils import DebugOption
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK
from transformers.trainer_utils import IntervalStrategy, SaveStrategy, SchedulerType
from transformers.training_args import OptimizerNames, trainer_log_levels

from beekit.config_model import accepts_nothing, require_type
from beekit.errors import ConfigError
from beekit.training import BeeFormerTrainingArguments
from beekit.training.key_checks import checked_section
from beekit.training.keys import ALIASES, PASSED, REFUSED, WORKS, key_types
from beekit.training.optimizers import BY_LAYER, OPTIMIZERS
from beekit.training.reporters import REPORTERS

FIELDS = {one.name: one for one in dataclasses.fields(BeeFormerTrainingArguments) if one.init}

# A value that works, for every key that is not refused; keys that need others have them beside.
VALID = {
    "users_per_step": 60,
    "items_per_step": 100,
    "mini_batch_tokens": 500,
    "dropout": True,
    "dataset_batches": "proportional",
    "last_layers": 1,
    "lora": 2,
    "num_train_epochs": 0.5,
    "epochs": 2,
    "max_steps": 3,
    "gradient_accumulation_steps": 2,
    "dataloader_drop_last": True,
    "learning_rate": 1e-3,
    "learning_rate_mapping": {"layer": 0.01},
    "lr_scheduler_type": "cosine",
    "warmup_steps": 0.5,
    "warmup_ratio": 0.5,
    "optim": "sgd",
    "weight_decay": 0.1,
    "adam_beta1": 0.5,
    "adam_beta2": 0.5,
    "adam_epsilon": 0.1,
    "max_grad_norm": 0.01,
    "seed": 3,
    "data_seed": 4,
    "bf16": "auto",
    "fp16": True,
    "use_cpu": True,
    "activation_checkpointing": True,
    "gradient_checkpointing": True,
    "dataloader_num_workers": 0,
    "logging_strategy": "epoch",
    "logging_steps": 2,
    "logging_first_step": True,
    "disable_tqdm": True,
    "eval_strategy": "epoch",
    "eval_steps": 0.5,
    "eval_delay": 2,
    "eval_on_start": True,
    "save_strategy": "best",
    "save_steps": 1,
    "save_total_limit": None,
    "load_best_model_at_end": True,
    "metric_for_best_model": "ndcg@20",
    "greater_is_better": False,
    "lr_scheduler_kwargs": {"num_cycles": 0.3},
    "optim_args": {"optim": "rmsprop", "optim_args": "momentum=0.5"},
    "optim_target_modules": None,  # only optimizers that are not installed take it
    "report_to": "all",
    "run_name": {"report_to": "kubeflow", "run_name": "mine"},
    **{
        name: {"report_to": "kubeflow", name: "mine"}
        for name in ("project", "trackio_space_id", "trackio_bucket_id", "trackio_static_space_id")
    },
    "log_level": "info",
    **{
        f"{name}_checkpointing_kwargs": {
            f"{name}_checkpointing": True,
            f"{name}_checkpointing_kwargs": {"use_reentrant": False},
        }
        for name in ("activation", "gradient")
    },
    "tf32": False,
    "full_determinism": True,
    "torch_empty_cache_steps": 1,
    "dataloader_pin_memory": True,
    "dataloader_persistent_workers": True,
    "dataloader_prefetch_factor": 2,
    "dataloader_multiprocessing_context": "fork",
}


def test_every_argument_is_in_exactly_one_list():
    lists = [set(WORKS), set(PASSED), set(REFUSED)]
    assert sum(map(len, lists)) == len(set.union(*lists))
    new = set(FIELDS) - set.union(*lists)
    assert not new, (
        f"{', '.join(sorted(new))}: arguments of this version of transformers or "
        "sentence-transformers that stand in no list of beekit/training/keys.py. Try each out: "
        "WORKS and a test, REFUSED with a reason, or PASSED."
    )
    gone = set.union(*lists) - set(FIELDS)
    assert not gone, f"{', '.join(sorted(gone))}: no arguments any more; remove them"
    assert set(VALID) == set(key_types())


@pytest.mark.parametrize("name", [*WORKS, *PASSED])
def test_a_value_that_fits_the_list_fits_the_trainer_s_own_type(name):
    hint = typing.get_type_hints(BeeFormerTrainingArguments)[name]
    value = VALID[name]
    value = value[name] if isinstance(value, dict) and name in value else value
    if value not in ("auto", None):
        TypeAdapter(hint).validate_json(json.dumps(value), strict=False)
        with pytest.raises(ConfigError):
            require_type(name, [[{}]], key_types()[name])


def test_names_are_those_that_the_trainer_knows():
    assert {*OPTIMIZERS, *BY_LAYER} == {str(one.value) for one in OptimizerNames}
    assert set(REPORTERS) == set(INTEGRATION_TO_CALLBACK)
    for name, known in {
        "lr_scheduler_type": {one.value for one in SchedulerType},
        "logging_strategy": {one.value for one in IntervalStrategy},
        "eval_strategy": {one.value for one in IntervalStrategy},
        "save_strategy": {one.value for one in SaveStrategy},
        "log_level": set(trainer_log_levels),
    }.items():
        assert set(typing.get_args(key_types()[name])) == known, name
    assert {one.value for one in DebugOption}, "`debug` is refused whatever it asks for"


@pytest.mark.parametrize("name", VALID)
def test_each_key_is_taken_with_a_valid_value_and_refused_with_a_senseless_one(name):
    value = VALID[name]
    several = isinstance(value, dict) and name in value
    given = value if several else {name: value}
    if name == "optim_target_modules":
        given = {}
    assert checked_section(given) == given
    for senseless in ([{}], -1 if name not in ("bf16", "report_to") else "often", float("nan")):
        with pytest.raises(ConfigError) as caught:
            checked_section({**(given if several else {}), name: senseless})
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)
    unset = {**(given if several else {}), name: None}
    if not accepts_nothing(key_types()[name]):
        assert name not in checked_section(unset)


@pytest.mark.parametrize("name", REFUSED)
def test_each_refused_key_has_a_reason_and_lets_through_what_is_done_anyway(name):
    refused = REFUSED[name]
    for value in ("some text", 7, {"a": "b"}, True, False):
        if value in refused.passes:
            continue
        with pytest.raises(ConfigError) as caught:
            checked_section({name: value})
        assert refused.since in str(caught.value)
        assert str(caught.value).endswith(refused.instead)
    for value in (*refused.passes, None):
        assert checked_section({name: value}) == {}


def test_a_token_is_not_repeated_in_the_message():
    with pytest.raises(ConfigError) as caught:
        checked_section({"hub_token": "hf_secret"})
    assert "hf_secret" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name in REFUSED if REFUSED[name].everywhere])
def test_what_a_step_cannot_follow_is_refused_in_python_too(name, tmp_path):
    value = {"label_smoothing_factor": 0.1, "dataloader_in_order": False}.get(name, "some text")
    if name == "remove_unused_columns":
        value = False
    with pytest.raises(ConfigError) as caught:
        BeeFormerTrainingArguments(output_dir=str(tmp_path), use_cpu=True, **{name: value})
    assert REFUSED[name].since in str(caught.value)


def test_arguments_can_be_made_from_their_own_values(tmp_path):
    args = BeeFormerTrainingArguments(output_dir=str(tmp_path), use_cpu=True)
    assert dataclasses.replace(args, seed=3).seed == 3


@pytest.mark.parametrize("name", ["save_strategy", "eval_strategy", "logging_strategy"])
def test_no_is_the_word_and_not_false(name):
    assert checked_section({name: False}) == checked_section({name: "no"}) == {name: "no"}


def test_nothing_to_report_to_is_said_in_four_ways():
    assert [checked_section({"report_to": said}) for said in (False, "no", "none", None)] == [
        *[{"report_to": "none"}] * 3,
        {},
    ]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"epochs": 1, "num_train_epochs": 1}, "one of the two"),
        ({"num_train_epochs": 1, "max_steps": 1}, "one of the two"),
        ({"warmup_steps": 1, "warmup_ratio": 0.1}, "one of the two"),
        ({"gradient_checkpointing": True, "activation_checkpointing": True}, "one of the two"),
        ({"fp16": True, "bf16": True}, "one of the two"),
        ({"fp16": True, "use_cpu": True}, "a GPU"),
        ({"warmup_steps": 4, "max_steps": 3}, "ends before training does"),
        ({"warmup_steps": 1.5}, "a whole number of steps"),
        ({"save_steps": 2.5}, "a whole number of steps"),
        ({"save_strategy": "no", "save_steps": 2}, "no effect with save_strategy=no"),
        ({"save_strategy": "epoch", "eval_steps": 2}, "no effect with eval_strategy"),
        ({"eval_strategy": "no", "eval_on_start": True}, "no effect with eval_strategy=no"),
        ({"logging_strategy": "epoch", "logging_steps": 2}, "no effect with logging_strategy"),
        ({"lr_scheduler_type": "constant", "warmup_steps": 2}, "such as constant_with_warmup"),
        ({"lr_scheduler_type": "constant", "lr_scheduler_kwargs": {"a": 1}}, "no effect"),
        ({"optim": "sgd", "adam_beta1": 0.5}, "no effect with optim=sgd"),
        ({"optim": "adafactor", "adam_epsilon": 0.5}, "no effect with optim=adafactor"),
        ({"optim_target_modules": ["query"]}, "no effect with optim"),
        ({"optim_args": "momentum=0.9"}, "expected nothing, which adamw_torch_fused reads"),
        ({"optim": "sgd", "optim_args": "momentum"}, "a text such as a=1,b=2"),
        ({"optim": "sgd", "optim_args": "weight_decay=1"}, "the argument of that name"),
        ({"optim": "galore_adamw"}, "optim_target_modules beside it"),
        ({"optim": "lomo"}, "waits for those of all mini-batches"),
        ({"optim": "paged_adamw_8bit"}, "pip install bitsandbytes"),
        ({"report_to": "tensorboard"}, "pip install tensorboard"),
        ({"report_to": ["wandb"]}, "pip install wandb"),
        ({"run_name": "mine"}, "no effect with report_to=none"),
        ({"dataloader_num_workers": 0, "dataloader_prefetch_factor": 2}, "no effect"),
        ({"gradient_checkpointing_kwargs": {"use_reentrant": True}}, "no effect"),
        (
            {"activation_checkpointing": True, "activation_checkpointing_kwargs": {"a": True}},
            "the keys among use_reentrant",
        ),
        ({"learning_rate_mapping": {"(": 0.1}}, "regular expressions"),
        ({"optim": "adamw_torch_fuse"}, "Did you mean adamw_torch_fused?"),
    ],
)
def test_keys_that_contradict_or_do_nothing_are_refused(section, message, monkeypatch):
    monkeypatch.setattr("beekit.training.key_checks._installed", lambda package: package == "peft")
    with pytest.raises(ConfigError) as caught:
        checked_section(section)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_aliases_name_arguments():
    assert set(ALIASES.values()) <= set(WORKS)
