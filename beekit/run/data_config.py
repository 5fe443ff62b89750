"""The keys that say which data is read and how: those of a training and of a comparison alike."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, SerializeAsAny, field_validator

from beekit.config_model import ConfigModel
from beekit.data.rules import Duplicates, MissingImage, MissingText, UnknownItems
from beekit.data.table_file import ColumnNames, TableFile, table_section
from beekit.errors import ConfigError
from beekit.run.settings_source import check_chosen_on
from beekit.split import SplitConfig


class DatasetKeys(ConfigModel):
    """What may differ from dataset to dataset."""

    interactions: str | TableFile | None = Field(
        None,
        description="File of the interactions in the folder, where it is not interactions.parquet "
        "or .csv; a section, where it has to be said how it is written.",
    )
    items: str | TableFile | None = Field(
        None, description="File of the items, where it is not items.parquet or .csv; or a section."
    )
    columns: ColumnNames = Field(
        default_factory=lambda: ColumnNames.model_validate({}),
        description="What the files call columns with a meaning.",
    )
    text: str | None = Field(
        None, description="What an item's text is: a template over columns, `{title}. {plot}`."
    )
    image: str | None = Field(None, description="Column of the items' pictures.")
    min_value: int | float | None = Field(
        None, description="Interactions with a smaller value are left out."
    )
    user_min_support: int = Field(1, description="Users with fewer interactions are left out.")
    item_min_support: int = Field(
        1, description="Interactions of items that have fewer are removed; the items stay."
    )
    unknown_items: UnknownItems = Field(
        "error", description="What happens to interactions whose item is not in the catalog."
    )
    missing_text: MissingText = Field(
        "error", description="What happens to items without a text; keep those with a picture."
    )
    missing_image: MissingImage = Field(
        "error", description="What happens to items without a usable picture; keep those with text."
    )
    duplicates: Duplicates = Field(
        "error", description="What happens to pairs of user and item that occur twice."
    )
    split: SerializeAsAny[SplitConfig] = Field(
        default_factory=lambda: SplitConfig.model_validate({}), description="What is held out."
    )

    @field_validator("columns", mode="before")
    @classmethod
    def _without_names(cls, section: Any) -> Any:
        return {} if section is None else section

    @field_validator("interactions", "items", mode="before")
    @classmethod
    def _table(cls, given: Any, info: Any) -> Any:
        return table_section(info.field_name, given)


class DatasetEntry(DatasetKeys):
    """An entry of `data` where it is a list; what it does not say holds as it is said above."""

    data: str = Field(description="Dataset folder.")


class EvaluationConfig(ConfigModel):
    """The section `evaluation`."""

    metrics: list[str] = Field(
        default_factory=list, description="What is measured; without any, the usual metrics."
    )
    top_k: int = Field(100, ge=1, description="How many items each user is recommended.")
    seed: int = Field(
        0, ge=0, description="Seed of the bootstrap intervals, and of a training's random baseline."
    )


class DataConfig(DatasetKeys):
    """What `beekit train` and `beekit evaluate` both read.

    Attributes:
        needs_catalog: whether the dataset needs a table of items.
    """

    needs_catalog: ClassVar[bool] = True

    data: str | list[Any] = Field(description="Dataset folder.")
    out: str = Field(description="Run folder to make.")
    max_seq_length: int | None = Field(
        None, description="Tokens of a text that an encoder reads; its own limit by default."
    )
    prompt: str | None = Field(
        None,
        description='What encoders read before the text of every item, `passage: `; "" for '
        "nothing. Without it an encoder's own prompt for documents, or its default one.",
    )
    trust_remote_code: bool = Field(
        False, description="Whether an encoder's own code may be run; only of people you trust."
    )
    cache: str | None = Field(
        None, description="Folder for preprocessed pictures; BEEKIT_CACHE, or the user's cache."
    )
    note: str | None = Field(None, description="A remark for the report.")
    chosen_on: str | None = Field(
        None,
        description="How the settings were chosen: defaults, validation, test, elsewhere (on "
        "another dataset), or a sentence.",
    )
    repeats: int = Field(
        1, ge=1, description="How often all is done, each time with the next seed of everything."
    )
    evaluation: EvaluationConfig = Field(
        default_factory=lambda: EvaluationConfig.model_validate({}), description="What is measured."
    )

    @field_validator("split", "evaluation", mode="before")
    @classmethod
    def _without_content(cls, section: Any) -> Any:
        return {} if section is None else section

    @field_validator("chosen_on")
    @classmethod
    def _of_words(cls, value: str | None) -> str | None:
        check_chosen_on("chosen_on", value)
        return value

    def content(self) -> dict[str, Any]:
        """Keys and values, where data is read from and written to first."""
        content = self.model_dump()
        return {name: content[name] for name in ("data", "out")} | content

    def check_image_policy(self) -> None:
        """Refuse to keep items without anything to know them by."""
        if self.missing_image == "keep" and (self.text is None or self.image is None):
            raise ConfigError(
                "missing_image=keep without both a text and a picture of items",
                expected="items known by the one where they lack the other",
                remedy="Name `text` and `image`, or use missing_image=drop.",
            )

    def check_repeats(self, *, vary: bool) -> None:
        """Refuse several repeats whose results could not `vary`."""
        if self.repeats > 1 and not vary:
            raise ConfigError(
                f"repeats={self.repeats} with split.kind={self.split.kind}",
                expected="results that vary from repeat to repeat",
                remedy="Remove `repeats`, or use a split that is drawn, such as cold_start.",
            )

    def require_single(self) -> None:
        """Refuse repeats where one run is made: the others would be left out without a message."""
        if self.repeats != 1:
            raise ConfigError(
                f"repeats={self.repeats} for one run",
                expected="repeats=1",
                remedy="Use `beekit train` or `beekit evaluate`, or a function of "
                "beekit.run.repeats.",
            )
