"""What a card states that is not in a run: licence, language, origin of data and encoder."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pydantic import Field

from beekit.config_file import read_config_file
from beekit.config_model import ConfigModel, read
from beekit.errors import ConfigError
from beekit.report.public_names import NAME


class Facts(ConfigModel):
    """The keys of a model's YAML file. All are optional, and none is a measured number."""

    repo: str | None = None  # name on the Hub, user/name
    title: str | None = None  # the card's heading
    summary: str | None = None  # a paragraph below it
    license: str | None = None  # licence of the weights: an identifier of the Hub, as apache-2.0
    license_name: str | None = None  # with `license: other`: the name of the licence
    license_link: str | None = None  # with `license: other`: a link to its text
    language: list[str] = Field(default_factory=list)  # ISO 639 codes of the texts
    base_model: str | None = None  # the fine-tuned encoder's name on the Hub, if the run has a path
    datasets: dict[str, Any] = Field(
        default_factory=dict
    )  # the run's dataset name: name on the Hub
    data: str | None = None  # a paragraph on where the data comes from and under which terms
    limits: str | None = None  # a paragraph on what the model is not for
    tags: list[str] = Field(default_factory=list)  # tags besides the usual ones
    citation: str | None = None  # BibTeX entries besides that of the method

    def model_post_init(self, context: Any) -> None:
        """Check the values that the Hub would refuse.

        Raises:
            ConfigError: if there is one.
        """
        given = [name for name in (self.repo, self.base_model) if name is not None]
        for name in (*given, *self.datasets.values()):
            holds = isinstance(name, str) and NAME.fullmatch(name)
            _require(holds, f"{name!r} as a name on the Hub", "user/name")
        for code in self.language:
            holds = re.fullmatch(r"[a-z]{2,3}|code|multilingual", code)
            _require(holds, f"language {code!r}", "an ISO 639 code such as en")
        if self.license is not None:
            holds = re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", self.license)
            identifier = "an identifier of the Hub, such as apache-2.0, or other"
            _require(holds, f"license {self.license!r}", identifier)
        if self.license_name or self.license_link:
            found = f"a license_name or license_link beside license {self.license!r}"
            _require(self.license == "other", found, "these keys only with `license: other`")

    def require_datasets(self, names: Collection[str]) -> None:
        """Check that the run has all datasets that the facts name.

        Raises:
            ConfigError: if it lacks one; `names` are the run's datasets.
        """
        for name in self.datasets:
            _require(name in names, f"dataset {name!r}", f"one of the run's, {', '.join(names)}")


def load_facts(path: str | Path) -> Facts:
    """Read a model's YAML file.

    Raises:
        ConfigError: if the file cannot be read, or if it has an unknown key or a wrong value.
    """
    return read(Facts, read_config_file(path, examples="hub_cards"))


def _require(holds: object, found: str, expected: str) -> None:
    if not holds:
        found += " in the facts of a model"
        raise ConfigError(found, expected=expected, remedy="Correct it.")
