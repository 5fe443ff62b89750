"""Arguments of a beeFormer training, beside those of the Hugging Face Trainer."""

from __future__ import annotations

from dataclasses import dataclass, field

from sentence_transformers import SentenceTransformerTrainingArguments
from transformers.trainer_utils import SchedulerType

from beekit.errors import ConfigError
from beekit.training.batches import MIXED, RULES
from beekit.training.lora import require_peft


@dataclass
class BeeFormerTrainingArguments(SentenceTransformerTrainingArguments):  # type: ignore[misc]
    """`SentenceTransformerTrainingArguments` with the size of a beeFormer step.

    The batch is users: `users_per_step` takes the place of `per_device_train_batch_size`. Every
    other argument keeps its Hugging Face name and meaning. Learning rate and schedule are those of
    the runs that train/recipes states; dropout is off because it did nothing for recall there and
    a step is cheaper without it.

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
    last_layers: int | None = field(default=None, metadata={"help": "Last blocks to train alone."})
    lora: int | None = field(default=None, metadata={"help": "Rank of adapters to train alone."})

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
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ConfigError(
                    f"{name}={value!r}", expected="a positive integer", remedy=f"Set {name} so."
                )
        if not isinstance(self.dropout, bool):
            raise ConfigError(
                f"dropout={self.dropout!r}",
                expected="true or false",
                remedy="Set dropout so; the rate is the encoder's own.",
            )
        if self.dataset_batches not in RULES:
            raise ConfigError(
                f"dataset_batches={self.dataset_batches!r}",
                expected=f"one of {', '.join(RULES)}",
                remedy="Choose one of those.",
            )
        self._check_trained_part()
        for name in ("learning_rate", "seed"):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or isinstance(value, bool) or value < 0:
                raise ConfigError(
                    f"{name}={value!r}", expected="a number of at least 0", remedy="Correct it."
                )
        if self.gradient_checkpointing and not self.dropout:
            raise ConfigError(
                "gradient_checkpointing with dropout false, which runs the encoder in inference "
                "mode, where it does not checkpoint",
                expected="one of the two",
                remedy="Set dropout=true, or lower mini_batch_tokens to save memory.",
            )
        self.per_device_train_batch_size = self.users_per_step
        super().__post_init__()

    def _check_trained_part(self) -> None:
        # Adapters sit in blocks, so with both given there must be a block.
        fewest = {"last_layers": 0 if self.lora is None else 1, "lora": 1}
        for name, least in fewest.items():
            value = getattr(self, name)
            if value is None:
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                both = " with lora" if name == "last_layers" and least else ""
                raise ConfigError(
                    f"{name}={value!r}{both}",
                    expected=f"an integer of at least {least}, or null",
                    remedy=f"Set {name} so, or leave it out.",
                )
        if self.lora is not None:
            require_peft()
