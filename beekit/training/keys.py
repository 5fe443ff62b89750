"""Every argument of a training, in one of three lists: it works, it is refused, it is passed on.

The lists are written down here, so that a mistake in one shows without importing the Trainer, which
takes seconds. A test compares them with the Trainer's own arguments: an argument that a new
version brings has to be put in a list before anything else passes.
"""

from __future__ import annotations

from types import GenericAlias
from typing import Annotated, Any, Literal, NamedTuple

from annotated_types import Ge, Gt, Le, Lt

from beekit.training.optimizers import OPTIMIZERS
from beekit.training.reporters import REPORTERS

ALIASES = {"epochs": "num_train_epochs"}
"""Keys under beekit's names, and what the Trainer calls them."""

# How batches take from several datasets; the last two under their sentence-transformers names.
MIXED, PROPORTIONAL, ROUND_ROBIN = "mixed", "proportional", "round_robin"
RULES = (MIXED, PROPORTIONAL, ROUND_ROBIN)


def _one_of(*names: str) -> Any:
    return Literal[names]


def _several(kind: Any) -> Any:
    return GenericAlias(list, (kind,))


_AtLeast0 = Annotated[int, Ge(0)]
_AtLeast1 = Annotated[int, Ge(1)]
_NotNegative = Annotated[float, Ge(0)]
_Positive = Annotated[float, Gt(0)]
_Decay = Annotated[float, Ge(0), Lt(1)]  # of a running mean
_Seed = Annotated[int, Ge(0), Lt(2**32)]  # what torch and numpy both take
_When = Literal["no", "steps", "epoch"]
_Checkpointing = dict[Literal["use_reentrant", "preserve_rng_state"], bool]

WORKS: dict[str, Any] = {
    # beekit's own; their meaning stands in `BeeFormerTrainingArguments`
    "users_per_step": _AtLeast1,
    "items_per_step": _AtLeast1,
    "mini_batch_tokens": _AtLeast1,
    "dropout": bool,
    "dataset_batches": _one_of(*RULES),
    "last_layers": _AtLeast0,
    "lora": _AtLeast1,
    # how long, and how large a step is
    "num_train_epochs": _Positive,
    "max_steps": _AtLeast1,
    "gradient_accumulation_steps": _AtLeast1,
    "dataloader_drop_last": bool,
    # how the weights move
    "learning_rate": _NotNegative,
    "learning_rate_mapping": dict[str, _NotNegative],
    "lr_scheduler_type": Literal[
        *("linear", "cosine", "cosine_with_restarts", "polynomial", "constant"),
        *("constant_with_warmup", "inverse_sqrt", "reduce_lr_on_plateau", "cosine_with_min_lr"),
        *("cosine_warmup_with_min_lr", "warmup_stable_decay", "greedy"),
    ],
    "warmup_steps": _NotNegative,
    "warmup_ratio": Annotated[float, Ge(0), Le(1)],
    "optim": _one_of(*OPTIMIZERS),
    "weight_decay": _NotNegative,
    "adam_beta1": _Decay,
    "adam_beta2": _Decay,
    "adam_epsilon": _NotNegative,
    "max_grad_norm": _NotNegative,
    "seed": _Seed,
    "data_seed": _Seed,
    # what is computed where, and in which precision
    "bf16": bool,
    "fp16": bool,
    "use_cpu": bool,
    "activation_checkpointing": bool,
    "gradient_checkpointing": bool,
    "dataloader_num_workers": _AtLeast0,
    # what is logged, validated and saved, and when
    "logging_strategy": _When,
    "logging_steps": _Positive,
    "logging_first_step": bool,
    "disable_tqdm": bool,
    "eval_strategy": _When,
    "eval_steps": _Positive,
    "eval_delay": _NotNegative,
    "eval_on_start": bool,
    "save_strategy": Literal["no", "steps", "epoch", "best"],
    "save_steps": _Positive,
    "save_total_limit": _AtLeast1 | None,
    "load_best_model_at_end": bool,
    "metric_for_best_model": str,
    "greater_is_better": bool,
}
"""Arguments that do what they say, with the values they may have; each is tested."""

PASSED: dict[str, Any] = {
    # tried out on a small model before anything takes long
    "lr_scheduler_kwargs": dict[str, Any],
    "optim_args": str,
    "optim_target_modules": str | list[str],
    # loggers
    "report_to": _one_of("none", "all", *REPORTERS) | _several(_one_of(*REPORTERS)),
    "run_name": str,
    "project": str,
    "trackio_space_id": str,
    "trackio_bucket_id": str,
    "trackio_static_space_id": str | Literal[False],
    "log_level": Literal["passive", "detail", "debug", "info", "warning", "error", "critical"],
    # PyTorch's, with results that stay the same
    "activation_checkpointing_kwargs": _Checkpointing,
    "gradient_checkpointing_kwargs": _Checkpointing,
    "tf32": bool,
    "full_determinism": bool,
    "torch_empty_cache_steps": _AtLeast1,
    "dataloader_pin_memory": bool,
    "dataloader_persistent_workers": bool,
    "dataloader_prefetch_factor": _AtLeast1,
    "dataloader_multiprocessing_context": Literal["fork", "spawn", "forkserver"],
}
"""Arguments that are not beekit's to judge: passed on, and their type and packages checked."""


class Refused(NamedTuple):
    """Why an argument is refused, and what to do; values that ask for what is done anyway pass."""

    since: str
    instead: str
    passes: tuple[Any, ...] = ()
    # Whether a training in Python refuses it too, not `beekit train` alone.
    everywhere: bool = False


def _loss(since: str, instead: str, *passes: Any) -> Refused:
    return Refused(since, instead, passes, everywhere=True)


def _one_process(*passes: Any) -> Refused:
    return Refused(
        "`beekit train` runs as one process",
        "Leave it out, or use BeeFormerTrainer in a script of your own.",
        passes,
    )


_USERS = "a step takes users as dataset_batches says"
_RANKING = "validation ranks items, and reads no batches of its own"
_FLAG = "it is a flag for scripts, and `beekit train` always trains and evaluates"
_PUSH = "a finished run is sent with its card and results"
_NO_TABLE = "users and items are no table of sentences"

REFUSED: dict[str, Refused] = {
    # said elsewhere
    "output_dir": Refused("checkpoints lie in the run folder", "Name that folder: out=RUN."),
    "per_device_train_batch_size": Refused("the batch is users", "Set users_per_step."),
    "resume_from_checkpoint": Refused(
        "a run goes on from its own last checkpoint",
        "Start the same configuration again.",
        (False,),
    ),
    **dict.fromkeys(("do_train", "do_eval", "do_predict"), Refused(_FLAG, "Leave it out.")),
    # the Hub
    "hub_token": Refused("it would lie in config.yaml for all to read", "Set HF_TOKEN instead."),
    **{
        name: Refused(_PUSH, "Use `beekit push`.", passes)
        for name, passes in {
            "push_to_hub": (False,),
            "hub_model_id": (),
            "hub_private_repo": (),
            "hub_strategy": (),
            "hub_always_push": (False,),
            "hub_revision": (),
        }.items()
    },
    # what belongs to training on sentences
    "prompts": _loss(_NO_TABLE, 'Set prompt beside text, as in prompt: "passage: ".'),
    "batch_sampler": _loss(_USERS, "Leave it out.", "batch_sampler"),
    "multi_dataset_batch_sampler": _loss(_USERS, "Set dataset_batches.", "proportional"),
    "train_sampling_strategy": _loss(_USERS, "Leave it out.", "random"),
    "router_mapping": _loss(_NO_TABLE, "Leave it out."),
    "length_column_name": _loss(_NO_TABLE, "Leave it out.", "length"),
    "label_names": _loss(_NO_TABLE, "Leave it out."),
    "remove_unused_columns": _loss(_NO_TABLE, "Leave it out.", True),
    "label_smoothing_factor": _loss("the loss has no classes", "Leave it out.", 0),
    "include_num_input_tokens_seen": _loss(
        "a batch holds users, whose items' tokens are not counted", "Leave it out.", "no", False
    ),
    # what belongs to language models, or would change what a step computes
    "neftune_noise_alpha": _loss("it adds noise to language models alone", "Set dropout=true."),
    "use_liger_kernel": _loss("its kernels are for language models", "Leave it out.", False),
    "liger_kernel_config": _loss("its kernels are for language models", "Leave it out."),
    "use_cache": _loss("encoders write no text", "Leave it out.", False),
    **dict.fromkeys(
        ("torch_compile", "torch_compile_backend", "torch_compile_mode"),
        _loss(
            "each mini-batch has another shape, and would be compiled anew", "Leave it out.", False
        ),
    ),
    "auto_find_batch_size": _loss(
        "it would change users_per_step on the way",
        "Set mini_batch_tokens, which bounds memory.",
        False,
    ),
    "dataloader_in_order": _loss(
        "steps in another order would make another model each time", "Leave it out.", True
    ),
    # validation
    **dict.fromkeys(
        (
            *("per_device_eval_batch_size", "eval_accumulation_steps", "include_for_metrics"),
            *("eval_do_concat_batches", "eval_use_gather_object", "batch_eval_metrics"),
            *("prediction_loss_only", "fp16_full_eval", "bf16_full_eval"),
        ),
        Refused(_RANKING, "Leave it out."),
    ),
    # checkpoints, and what is told of a training
    "save_only_model": Refused("a run goes on from whole checkpoints", "Leave it out.", (False,)),
    "ignore_data_skip": Refused(
        "a run that goes on ends as one that was not interrupted", "Leave it out.", (False,)
    ),
    "restore_callback_states_from_checkpoint": Refused(
        "a run has no callbacks to restore", "Leave it out.", (False,)
    ),
    "enable_jit_checkpoint": Refused(
        "a training that is told to end saves a checkpoint anyway", "Leave it out.", (False,)
    ),
    "logging_nan_inf_filter": Refused(
        "a training ends at the first loss that is not finite", "Leave it out.", (False,)
    ),
    "debug": Refused(
        "a training ends at the first number that is not finite", "Leave it out.", ("",)
    ),
    "skip_memory_metrics": Refused("results state the peak memory", "Leave it out.", (True,)),
    # several processes
    **{
        name: _one_process(*passes)
        for name, passes in {
            **dict.fromkeys(("ddp_find_unused_parameters", "ddp_bucket_cap_mb", "ddp_backend"), ()),
            **dict.fromkeys(("ddp_broadcast_buffers", "ddp_static_graph"), (False,)),
            **dict.fromkeys(("ddp_timeout", "log_level_replica", "deepspeed", "fsdp_config"), ()),
            **{"fsdp": ("", False), "parallelism_config": (), "accelerator_config": ()},
            **{"local_rank": (-1,), "average_tokens_across_devices": ()},
            **{"log_on_each_node": (), "save_on_each_node": (False,)},
        }.items()
    },
}
"""Arguments that are refused, each with a reason."""


def key_types() -> dict[str, Any]:
    """The type of each key of the section `training` that is not refused."""
    types = {**WORKS, **PASSED}
    return types | {alias: types[name] for alias, name in ALIASES.items()}
