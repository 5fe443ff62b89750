"""What a chat model is to beekit: many questions in, replies out in the order they finish."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from beekit.errors import ConfigError


@dataclass(frozen=True)
class Sampling:
    """How an answer is drawn from the model.

    Attributes:
        max_tokens: longest answer, in tokens of the model.
        temperature: 0 takes the likeliest token each time; above, answers are drawn.
        seed: of the drawing, where the temperature is above 0.
        extra: further fields of the request to an endpoint, such as `top_p` or
            `chat_template_kwargs`; None takes a field out of it.

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
        """What every model is told, as a request and the journal have it."""
        return {"max_tokens": self.max_tokens, "temperature": self.temperature, "seed": self.seed}


def require_setting(name: str, value: float, fits: bool, expected: str) -> None:
    """Refuse a number that does not fit."""
    if not fits:
        remedy = f"Leave {name} out for the default."
        raise ConfigError(f"{name}={value}", expected=expected, remedy=remedy)


@dataclass(frozen=True)
class Reply:
    """What came back for one question.

    Attributes:
        text: the answer as the model wrote it.
        cut_off: the answer ends because max_tokens were reached.
        problem: why there is no answer to this question, though others are answered; "" if there
            is one.
        unanswered: the problem may have gone when the question is asked again.
        prompt_tokens: tokens read, as the model counts them; 0 where it does not say.
        answer_tokens: tokens written.
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
        """What an answer depends on besides the question: model and sampling, no secrets."""

    def answers(self, questions: Sequence[str]) -> Iterator[list[tuple[int, Reply]]]:
        """Replies with the position of their question, as they finish, several at a time.

        Raises:
            DescribeError: if the model cannot be asked at all; the replies yielded before stay
                valid.
        """
