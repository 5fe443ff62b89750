"""The question that a chat model is asked about each item, and the names of the output files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from beekit.data.template import template_columns
from beekit.errors import ConfigError

DEFAULT_COLUMN = "description"
PROMPT = """\
This is what is known about one item of a catalogue:

{item}

Write one paragraph of four to six sentences about it: what it is, what sets it apart, what kind \
of people choose it, and what they use it for. Keep to what is stated above and to what you know \
for certain; where you know little, stay general. Name no other item, title, product or series, \
and compare it with none. Write plain sentences: no list, no heading, no greeting, and nothing \
before or after the paragraph."""


@dataclass(frozen=True)
class Task:
    """The question about each item, and the column for the answers.

    Attributes:
        fields: template over the items' columns, such as `"{title}. {authors}. {tags}"`.
        prompt: the question; `{item}` stands for the text of the fields.
        column: new column of the items table.

    Raises:
        ConfigError: if `prompt` does not contain `{item}`, or if `column` is not an identifier, is
            `item_id`, or is one of the fields.
        DataError: if `template_columns` refuses `fields`.
    """

    fields: str
    prompt: str = PROMPT
    column: str = DEFAULT_COLUMN

    def __post_init__(self) -> None:
        if "{item}" not in self.prompt:
            raise ConfigError(
                f"a prompt without {{item}} ({self.prompt[:40]!r})",
                expected="{item}, which stands for the item's fields",
                remedy="Add it to the prompt.",
            )
        named = (*template_columns(self.fields, ()), "item_id")
        if not self.column.isidentifier() or self.column in named:
            raise ConfigError(
                f"column {self.column!r} for descriptions made from {self.fields!r}",
                expected="a name of letters, digits and _ that is not among the fields",
                remedy="Choose another name.",
            )

    def question(self, text: str) -> str:
        """The question about an item; `text` is its fields."""
        return self.prompt.replace("{item}", text)

    def beside(self, folder: Path, stem: str, suffix: str) -> Path:
        """The path of a file of this task in the dataset folder. Its name contains the name of the
        column if that is not the default."""
        of = "" if self.column == DEFAULT_COLUMN else f".{self.column}"
        return folder / f"{stem}{of}{suffix}"
