"""A chat model on this machine, through transformers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from beekit.describe.chat import Reply, Sampling, require_setting
from beekit.errors import ConfigError, DescribeError
from beekit.out_of_memory import is_out_of_memory


@dataclass(frozen=True)
class LocalChat:
    """A causal language model with a chat template, asked in batches, longest questions first.

    Batches are padded on the left. If the temperature is above 0, the seed of a batch depends on
    `sampling.seed` and its questions, so answers change with the batch size and after an
    interruption. If the chat template has the switch `enable_thinking`, it is turned off.

    Attributes:
        name: folder, or name on the Hub.
        model: the model, in the precision it was saved in.
        tokenizer: its tokenizer, with a chat template.
        sampling: how answers are drawn; `extra` has to be empty.
        batch_size: number of questions answered at once.

    Raises:
        ConfigError: if the tokenizer has no chat template, `batch_size` is below 1, or
            `sampling.extra` is not empty.
    """

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    sampling: Sampling = field(default_factory=Sampling)
    batch_size: int = 8

    def __post_init__(self) -> None:
        require_setting("batch_size", self.batch_size, self.batch_size >= 1, "at least 1")
        if self.sampling.extra:
            raise ConfigError(
                f"request fields ({', '.join(self.sampling.extra)}) for a model on this machine",
                expected="no --extra without --endpoint",
                remedy="Leave out --extra, or give --endpoint.",
            )
        if not self.tokenizer.chat_template:
            raise ConfigError(
                f"{self.name!r} has no chat template",
                expected="a model trained to follow instructions",
                remedy="Choose its variant for chat, often named Instruct.",
            )

    @classmethod
    def load(
        cls,
        name: str,
        sampling: Sampling | None = None,
        *,
        batch_size: int = 8,
        device: str | None = None,
        revision: str | None = None,
    ) -> LocalChat:
        """Load a model and its tokenizer.

        Args:
            name, sampling, batch_size: the attributes of `LocalChat`.
            device: "cpu", "cuda", ...; None for a GPU if there is one.
            revision: branch, tag or commit on the Hub; None for the main branch.

        Raises:
            ConfigError: if `LocalChat` refuses the model or a setting.
            DescribeError: if no model of that name can be loaded, or if there is no such device.
        """
        try:
            tokenizer = AutoTokenizer.from_pretrained(name, revision=revision)
            model: Any = AutoModelForCausalLM.from_pretrained(name, revision=revision, dtype="auto")
            model.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
            reason = (str(error).strip() or repr(error)).splitlines()[0]
            raise DescribeError(
                f"cannot load the language model {name!r} ({reason})",
                expected="a folder of a transformers model or a name on the Hub, and a device that "
                "exists",
                remedy="Check the name, the device and the connection, or give an endpoint.",
            ) from error
        return cls(name, model.eval(), tokenizer, sampling or Sampling(), batch_size)

    @property
    def identity(self) -> dict[str, Any]:
        """Model and sampling, and the commit of a model from the Hub."""
        commit = getattr(self.model.config, "_commit_hash", None)
        made_by = {"model": self.name, **({"commit": commit} if commit else {})}
        return {**made_by, "served": "local", **self.sampling.identity}

    def answers(self, questions: Sequence[str]) -> Iterator[list[tuple[int, Reply]]]:
        """Replies batch by batch; see `ChatModel.answers`.

        Raises:
            DescribeError: if the device does not have enough memory for a batch.
        """
        # Questions of similar length need little padding. The longest come first: if memory is
        # enough for them, it is enough for the others.
        order = sorted(range(len(questions)), key=lambda at: (-len(questions[at]), at))
        for start in range(0, len(order), self.batch_size):
            batch = order[start : start + self.batch_size]
            try:
                replies = self._answer([questions[at] for at in batch])
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                raise DescribeError(
                    f"out of memory with {len(batch)} questions at a time",
                    expected="enough memory for a batch",
                    remedy="Give a smaller --batch-size.",
                ) from error
            yield list(zip(batch, replies, strict=True))

    def _answer(self, questions: list[str]) -> list[Reply]:
        self.tokenizer.padding_side = "left"  # an answer follows the last token of its question
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        model: Any = self.model
        apply: Any = self.tokenizer.apply_chat_template
        inputs = apply(
            [[{"role": "user", "content": question}] for question in questions],
            add_generation_prompt=True,
            enable_thinking=False,
            padding=True,
            return_dict=True,
            return_tensors="pt",
        ).to(model.device)
        read = inputs["attention_mask"].sum(1).tolist()
        # The maximum number of tokens of question and answer together.
        longest = getattr(model.config, "max_position_embeddings", None) or float("inf")
        fits = [length + self.sampling.max_tokens <= longest for length in read]
        if not all(fits):
            fitting = [question for question, fit in zip(questions, fits, strict=True) if fit]
            answered = iter(self._answer(fitting) if fitting else [])
            too_long = Reply("", problem=f"longer than the model's {longest:,.0f} tokens")
            return [next(answered) if fit else too_long for fit in fits]
        ends = self._ends()
        drawn = {"do_sample": True, "temperature": self.sampling.temperature, "top_k": 0}
        config = GenerationConfig(
            max_new_tokens=self.sampling.max_tokens,
            pad_token_id=self.tokenizer.pad_token_id,
            eos_token_id=sorted(ends) or None,
            **(drawn if self.sampling.temperature else {"do_sample": False}),
        )
        cards = [model.device] if model.device.type == "cuda" else []
        with torch.random.fork_rng(cards), torch.no_grad():
            drawn_from = "\x1f".join([str(self.sampling.seed), *questions])
            digest = hashlib.sha256(drawn_from.encode("utf-8", "replace")).digest()
            torch.manual_seed(int.from_bytes(digest[:7], "big"))
            tokens = model.generate(**inputs, generation_config=config)
        written = tokens[:, inputs["input_ids"].shape[1] :].tolist()
        replies = []
        for answer, length in zip(written, read, strict=True):
            end = next((at for at, token in enumerate(answer) if token in ends), None)
            text = str(self.tokenizer.decode(answer[:end], skip_special_tokens=True))
            count = len(answer) if end is None else end + 1
            replies.append(Reply(text, end is None, prompt_tokens=length, answer_tokens=count))
        return replies

    def _ends(self) -> set[int]:
        """The tokens that end an answer: those of the model, which may be several, and that of the
        tokenizer."""
        own = self.model.generation_config.eos_token_id
        ends = set(own if isinstance(own, list) else [] if own is None else [own])
        return ends | {self.tokenizer.eos_token_id} - {None}
