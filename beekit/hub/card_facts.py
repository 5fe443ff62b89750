"""What a card says that no run knows: licence, language, where the data and encoder come from."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pydantic import Field

from beekit.config_file import read_config_file
from beekit.config_model import ConfigModel, read
from beekit.errors import ConfigError
from beekit.hub.names import NAME


class Facts(ConfigModel):
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
    language: list[str] = Field(default_factory=list)
    base_model: str | None = None
    datasets: dict[str, Any] = Field(default_factory=dict)
    data: str | None = None
    limits: str | None = None
    tags: list[str] = Field(default_factory=list)
    citation: str | None = None

    def model_post_init(self, context: Any) -> None:
        """Refuse what the Hub would refuse."""
        given = [name for name in (self.repo, self.base_model) if name is not None]
        for name in (*given, *self.datasets.values()):
            _require(
                isinstance(name, str) and NAME.fullmatch(name) is not None,
                f"{name!r} as a name on the Hub",
                "user/name",
            )
        for code in self.language:
            _require(
                bool(re.fullmatch(r"[a-z]{2,3}|code|multilingual", code)),
                f"language {code!r}",
                "an ISO 639 code such as en",
            )
        if self.license is not None:
            _require(
                bool(re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", self.license)),
                f"license {self.license!r}",
                "an identifier of the Hub, such as apache-2.0, or other",
            )
        if self.license_name or self.license_link:
            _require(
                self.license == "other",
                f"a license_name or license_link beside license {self.license!r}",
                "those with `license: other` alone",
            )

    def require_datasets(self, names: Collection[str]) -> None:
        """Refuse datasets the run has not.

        Raises:
            ConfigError: if the facts name a dataset that the run does not have.
        """
        for name in self.datasets:
            _require(name in names, f"dataset {name!r}", f"one of the run's, {', '.join(names)}")


def load_facts(path: str | Path) -> Facts:
    """Read a model's YAML file.

    Raises:
        ConfigError: if there is no such file, if it is not YAML, if a key is unknown, or if a value
            has the wrong type or form.
    """
    return read(Facts, read_config_file(path, examples="hub_cards"))


def _require(holds: bool, found: str, expected: str) -> None:
    if not holds:
        raise ConfigError(
            f"{found} in the facts of a model", expected=expected, remedy="Correct it."
        )
