"""The protocol of chat models: many questions go in, replies come out as they are finished."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from beekit.errors import ConfigError


@dataclass(frozen=True)
class Sampling:
    """How an answer is drawn from the model.

    Attributes:
        max_tokens: the length of an answer at most, in tokens of the model.
        temperature: 0 takes the most probable token each time; above 0, tokens are drawn.
        seed: seed of the draw if the temperature is above 0.
        extra: further fields of the request to an endpoint, such as `top_p` or
            `chat_template_kwargs`; a field with the value None is removed from the request.

    Raises:
        ConfigError: if `max_tokens` is below 1, or if `temperature` is negative or not a finite
            number.
    """

    max_tokens: int = 200
    temperature: float = 0.0
    seed: int = 0
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_setting("max_tokens", self.max_tokens, self.max_tokens >= 1, "at least 1 token")
        finite = 0 <= self.temperature < float("inf")
        require_setting("temperature", self.temperature, finite, "0 or more")

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that every model gets; they are part of a request and of the journal."""
        return {"max_tokens": self.max_tokens, "temperature": self.temperature, "seed": self.seed}


def require_setting(name: str, value: float, fits: bool, expected: str) -> None:
    """Refuse a setting unless `fits`.

    Raises:
        ConfigError: if it does not fit.
    """
    if not fits:
        remedy = f"Choose another value, or leave out {name} for the default."
        raise ConfigError(f"{name}={value}", expected=expected, remedy=remedy)


@dataclass(frozen=True)
class Reply:
    """The reply to one question.

    Attributes:
        text: the answer as the model wrote it.
        cut_off: whether the answer ends because `max_tokens` was reached.
        problem: why there is no answer to this question; "" if there is one.
        unanswered: whether there may be an answer if the question is asked again.
        prompt_tokens: tokens that the model read; 0 if it does not say.
        answer_tokens: tokens that the model wrote; 0 if it does not say.
    """

    text: str
    cut_off: bool = False
    problem: str = ""
    unanswered: bool = False
    prompt_tokens: int = 0
    answer_tokens: int = 0


class ChatModel(Protocol):
    """A language model that answers questions, each on its own."""

    @property
    def identity(self) -> dict[str, Any]:
        """All that an answer depends on besides the question: model and sampling; no secrets."""

    def answers(self, questions: Sequence[str]) -> Iterator[list[tuple[int, Reply]]]:
        """Batches of finished replies, each reply with the position of its question.

        Raises:
            DescribeError: if the model cannot be asked at all; replies yielded before are valid.
        """
