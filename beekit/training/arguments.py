"""Arguments of a beeFormer training, beside those of the Hugging Face Trainer."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from sentence_transformers import SentenceTransformerTrainingArguments
from transformers.trainer_utils import SchedulerType

from beekit.errors import ConfigError
from beekit.training.keys import MIXED, REFUSED, RULES
from beekit.training.lora import require_peft


@dataclass
class BeeFormerTrainingArguments(SentenceTransformerTrainingArguments):  # type: ignore[misc]
    """`SentenceTransformerTrainingArguments` with the size of a beeFormer step.

    The batch is users: `users_per_step` takes the place of `per_device_train_batch_size`. Every
    other argument keeps its Hugging Face name and meaning. Learning rate and schedule come from the
    runs noted in train/recipes/ml1m.yaml, where they were chosen on a test part; dropout is off
    because it did nothing for recall there, and a step is cheaper without it.

    What a step cannot follow, such as `prompts` or `batch_sampler`, is refused with its reason; see
    `beekit.training.keys`.

    Attributes:
        users_per_step: users in a step; an epoch passes each once.
        items_per_step: items encoded in a step, a cap that holds.
        mini_batch_tokens: tokens (padding not counted) in one forward and backward pass; bounds
            memory.
        dropout: whether the encoder's dropout is on while training.
        dataset_batches: how batches take from several datasets, as `UserBatchSampler` says; beside
            it, items_per_step holds for a step, whatever datasets it mixes.
        last_layers: train only the last so many transformer blocks of every tower and what comes
            after the blocks; all of the encoder without it.
        lora: train only adapters of this rank in the blocks, or in the last of them; they are
            merged into the weights when training ends.
    """

    users_per_step: int = field(default=1024, metadata={"help": "Users in a step."})
    items_per_step: int = field(default=800, metadata={"help": "Items encoded in a step."})
    mini_batch_tokens: int = field(default=2048, metadata={"help": "Tokens in one pass."})
    dropout: bool = field(default=False, metadata={"help": "Dropout while training."})
    dataset_batches: str = field(default=MIXED, metadata={"help": "How datasets share batches."})
    last_layers: int | None = field(
        default=None,
        metadata={"help": "Number of last blocks to train; the others stay as they are."},
    )
    lora: int | None = field(
        default=None, metadata={"help": "Rank of the LoRA adapters; only they are trained."}
    )

    learning_rate: float = 1e-4
    lr_scheduler_type: SchedulerType | str = "linear"
    logging_steps: float = 1
    save_total_limit: int | None = 2
    disable_tqdm: bool | None = False
    report_to: str | list[str] | None = "none"
    # One worker prepares the next step while this one trains. It is not kept from epoch to epoch:
    # starting one draws from the global random state, so a resumed run would draw at other times,
    # and its dropout masks would differ.
    dataloader_num_workers: int = 1
    dataloader_pin_memory: bool = False

    def __post_init__(self) -> None:
        for name in ("users_per_step", "items_per_step", "mini_batch_tokens"):
            self._require(name, "a positive integer", _at_least(1, getattr(self, name)))
        self._require(
            "dropout",
            "true or false",
            isinstance(self.dropout, bool),
            "Set dropout so; the rate is the encoder's own.",
        )
        self._require(
            "dataset_batches", f"one of {', '.join(RULES)}", self.dataset_batches in RULES
        )
        # Adapters sit in blocks, so with both given there must be a block.
        both = "" if self.lora is None else " with lora"
        for name, least in (("last_layers", 1 if both else 0), ("lora", 1)):
            holds = (value := getattr(self, name)) is None or _at_least(least, value)
            self._require(
                name,
                f"an integer of at least {least}, or null{both if name == 'last_layers' else ''}",
                holds,
                f"Set {name} so, or leave it out.",
            )
        if self.lora is not None:
            require_peft()
        for name in ("learning_rate", "seed"):
            value = getattr(self, name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            self._require(name, "a number of at least 0", number and value >= 0)
        for name in ("activation_checkpointing", "gradient_checkpointing"):
            if getattr(self, name) and not self.dropout:
                raise ConfigError(
                    f"{name} with dropout false, which runs the encoder in inference mode, where "
                    "it does not checkpoint",
                    expected="one of the two",
                    remedy="Set dropout=true, or lower mini_batch_tokens to save memory.",
                )
        self._refuse_without_effect()
        self.per_device_train_batch_size = self.users_per_step
        super().__post_init__()
        if self.fp16 and self.device.type == "cpu":
            raise ConfigError(
                "fp16 on a CPU",
                expected="a GPU, which fp16 needs",
                remedy="Set bf16 where the processor has it, or leave both out.",
            )

    def _refuse_without_effect(self) -> None:
        """Refuse what the loss and the batches of users do not read."""
        for one in dataclasses.fields(self):
            refused, value = REFUSED.get(one.name), getattr(self, one.name)
            if refused is None or not refused.everywhere or value in (None, "", {}, one.default):
                continue
            if value not in refused.passes:
                expected = f"no such argument, since {refused.since}"
                raise ConfigError(
                    f"{one.name}={value!r}", expected=expected, remedy=refused.instead
                )

    def _require(self, name: str, expected: str, holds: bool, remedy: str | None = None) -> None:
        if not holds:
            found = f"{name}={getattr(self, name)!r}"
            raise ConfigError(found, expected=expected, remedy=remedy or f"Set {name} so.")


def _at_least(least: int, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
