"""What every kind of split declares of itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, ModelWrapValidatorHandler, model_validator

from beekit.config_model import ConfigModel
from beekit.errors import ConfigError
from beekit.split.split import Split

if TYPE_CHECKING:
    from beekit.data import Dataset, Interactions

# config.yaml of earlier versions holds the keys of all kinds, those of others with null.
_NULL_BEFORE = (
    *("items", "users", "fraction", "validation", "warm_fraction", "source_fraction"),
    *("train", "test"),
)


class SplitConfig(ConfigModel):
    """The section `split`: read as the class of its `kind`.

    A kind of split is a class in a file of its own. It declares its keys as fields and makes the
    split from interactions; reading a saved one asks nothing of it. A kind from outside is named
    by its import path, `kind: my_package.my_module:MySplit`.

    Attributes:
        meaning: how it holds out, in the sentences of a report.
        task: what a recommender does on it, as the Hub names tasks.
        drawn: what another seed changes; empty where nothing does.
        candidates: what the items are called that may be recommended.
        trainable: whether it leaves an encoder something to learn from, with a catalog.
        holds_out: whether it holds anything out.
        repeatable: whether results on it can vary from repeat to repeat.
        own_files: whether `load` reads it from files in the dataset folder, with its interactions.
        without_effect: keys of other kinds that are read here and change nothing.
    """

    kind: str = Field(
        "cold_start", description="Which kind, or `package.module:Class` of one from outside."
    )
    seed: int = Field(42, ge=0, description="Seed of the random draw.")

    meaning: ClassVar[str | None] = None
    task: ClassVar[str] = "recommendation"
    drawn: ClassVar[str] = "what is held out"
    candidates: ClassVar[str] = "candidate items"
    trainable: ClassVar[bool] = True
    holds_out: ClassVar[bool] = True
    repeatable: ClassVar[bool] = True
    own_files: ClassVar[bool] = False
    without_effect: ClassVar[tuple[str, ...]] = ()

    def make(self, interactions: Interactions) -> Split:
        """The split of X that is configured; a SplitError if it cannot be made."""
        raise NotImplementedError(f"{type(self).__name__}.make")

    def load(self, folder: Path, duplicates: str) -> tuple[Dataset, Split]:
        """Dataset and split together, of a kind with `own_files`."""
        raise NotImplementedError(f"{type(self).__name__}.load")

    @classmethod
    def chosen(cls, section: Any) -> type[ConfigModel]:
        """The class of the section's kind; a ConfigError if there is no such kind."""
        from beekit.split.kinds import split_class

        if cls is not SplitConfig or not isinstance(section, Mapping):
            return cls
        return split_class(section.get("kind", cls.model_fields["kind"].default))

    @classmethod
    def unknown(cls, key: Any, section: Mapping[str, Any], where: str) -> ConfigError:
        """A key of another kind, or of none."""
        from beekit.split.kinds import KINDS

        if not any(key in kind.model_fields for kind in KINDS.values()):
            return super().unknown(key, section, where)
        kind = section.get("kind", cls.model_fields["kind"].default)
        return ConfigError(
            f"{where}{key}={section[key]!r} with {where}kind={kind}",
            expected=f"{', '.join(cls.model_fields)} there",
            remedy=f"Remove {where}{key}.",
        )

    @model_validator(mode="wrap")
    @classmethod
    def _of_its_kind(cls, given: Any, handler: ModelWrapValidatorHandler[SplitConfig]) -> Any:
        kind = cls.chosen(given)
        if kind is not cls:
            return kind.model_validate(given)
        if isinstance(given, Mapping):
            given = {
                key: value
                for key, value in given.items()
                if key not in cls.without_effect and not (value is None and key in _NULL_BEFORE)
            }
        return handler(given)


def share_field(default: float | None, meaning: str) -> Any:
    """A field that holds a share, above 0 and below 1."""
    return Field(default, gt=0, lt=1, description=meaning)


def validation_field(what: str) -> Any:
    """A field that holds a number of items or users, or their share."""
    meaning = (
        f"How many {what} the validation part has, or their share; a quarter of the test part's "
        "where it is not given."
    )
    return Field(None, ge=0, description=meaning)


def validation_size(what: str, validation: int | float | None) -> dict[str, Any]:
    """The arguments for a validation part that is given as a number or as a share."""
    if isinstance(validation, int):
        return {f"validation_{what}": validation}
    return {"validation_fraction": validation}
