"""What a card says that no run knows: licence, language, where the data and encoder come from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from beekit.checked import checked, read_content
from beekit.errors import ConfigError

_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True)
class Facts:
    """The keys of a model's YAML file; all may be left out, and none is a measured number.

    Attributes:
        repo: name on the Hub, `user/name`.
        title: the card's heading.
        summary: a paragraph below it.
        license: its identifier on the Hub, such as apache-2.0, of the weights.
        license_name, license_link: of one the Hub has no identifier for; `license` is then "other".
        language: ISO 639 codes of the texts.
        base_model: name on the Hub of the encoder that was fine-tuned, where the run had a path.
        datasets: for each of the run's datasets, its name on the Hub if it has one.
        data: a paragraph on where the data comes from and under which terms.
        limits: a paragraph on what the model is not for.
        tags: beside the usual ones.
        citation: BibTeX entries beside that of the method.
    """

    repo: str | None = None
    title: str | None = None
    summary: str | None = None
    license: str | None = None
    license_name: str | None = None
    license_link: str | None = None
    language: list[str] = field(default_factory=list)
    base_model: str | None = None
    datasets: dict[str, str] = field(default_factory=dict)
    data: str | None = None
    limits: str | None = None
    tags: list[str] = field(default_factory=list)
    citation: str | None = None

    def __post_init__(self) -> None:
        names = [self.repo, self.base_model, *self.datasets.values()]
        for name in (n for n in names if n is not None):
            if not _NAME.fullmatch(str(name)):
                raise ConfigError(
                    f"{name!r} where a name on the Hub belongs",
                    expected="user/name",
                    remedy="Correct it, or leave it out.",
                )


def load_facts(path: str | Path) -> Facts:
    """Read a model's YAML file.

    Raises:
        ConfigError: no such file, not YAML, an unknown key or a value of the wrong type.
    """
    facts: Facts = checked(Facts, read_content(path), "")
    return facts


def on_hub(name: Any) -> bool:
    """Whether an encoder of a configuration is a name on the Hub rather than a path.

    A path would tell strangers nothing, and may tell them too much.
    """
    if not isinstance(name, str) or name.startswith((".", "/", "~")) or Path(name).exists():
        return False
    return name.count("/") == 1 and _NAME.fullmatch(name) is not None
