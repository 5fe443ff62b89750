"""The base class of all kinds of split."""

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

# config.yaml of earlier versions holds the keys of all kinds, with null for those of other kinds.
_NULL_BEFORE = (
    *("items", "users", "fraction", "validation", "warm_fraction", "source_fraction"),
    *("train", "test"),
)


class SplitConfig(ConfigModel):
    """The section `split` of a configuration, which is read as the class of its `kind`.

    A kind of split is a class in a file of its own. Its fields are the keys of the section, and
    `make` makes the split from interactions. The class is not needed to load a saved split. A kind
    from outside beekit is named by its import path, `kind: my_package.my_module:MySplit`.

    Attributes:
        meaning: sentences for reports that say how the split holds out.
        task: name of the task for the Hub.
        drawn: what another seed changes, in words; empty if it changes nothing.
        candidates: how reports call the items that may be recommended.
        trainable: whether an encoder can be trained on the training part (it has interactions, and
            there is a catalog).
        holds_out: whether the split holds anything out.
        repeatable: whether results can differ between repeats with other seeds.
        rates: whether ratings of known items are held out, which can be predicted.
        own_files: whether `load` reads the interactions and the split from files of its own.
        without_effect: keys of other kinds that are accepted and ignored.
    """

    kind: str = Field(
        "cold_start",
        description="The kind of split, or `package.module:Class` for a kind from outside beekit.",
    )
    seed: int = Field(42, ge=0, description="Seed of the random draw.")

    meaning: ClassVar[str | None] = None
    task: ClassVar[str] = "recommendation"
    drawn: ClassVar[str] = "what is held out"
    candidates: ClassVar[str] = "candidate items"
    trainable: ClassVar[bool] = True
    holds_out: ClassVar[bool] = True
    repeatable: ClassVar[bool] = True
    rates: ClassVar[bool] = True
    own_files: ClassVar[bool] = False
    without_effect: ClassVar[tuple[str, ...]] = ()

    def make(self, interactions: Interactions) -> Split:
        """The split of X with these settings.

        Raises:
            SplitError: if it cannot be made.
        """
        raise NotImplementedError(f"{type(self).__name__}.make")

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files that the split has in the dataset folder; usually none."""
        return ()

    def load(self, folder: Path, duplicates: str) -> tuple[Dataset, Split]:
        """The dataset in `folder` and its split; only for a kind with `own_files`."""
        raise NotImplementedError(f"{type(self).__name__}.load")

    @classmethod
    def chosen(cls, section: Any) -> type[ConfigModel]:
        """The class of the section's kind.

        Raises:
            ConfigError: if there is no such kind.
        """
        from beekit.split.kinds import split_class

        if cls is not SplitConfig or not isinstance(section, Mapping):
            return cls
        return split_class(section.get("kind", cls.model_fields["kind"].default))

    @classmethod
    def unknown(cls, key: Any, section: Mapping[str, Any], where: str) -> ConfigError:
        """The error for a key that this kind of split does not have."""
        from beekit.split.kinds import KINDS

        if not any(key in kind.model_fields for kind in KINDS.values()):
            return super().unknown(key, section, where)
        kind = section.get("kind", cls.model_fields["kind"].default)
        return ConfigError(
            f"{where}{key}={section[key]!r} with {where}kind={kind}",
            expected=f"one of the keys {', '.join(cls.model_fields)}",
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
    """A field for a share, above 0 and below 1; `meaning` is its description."""
    return Field(default, gt=0, lt=1, description=meaning)


def validation_field(what: str) -> Any:
    """A field for the size of the validation part: a number of items or users, or a share."""
    meaning = (
        f"How many {what} the validation part has, or their share; by default a quarter of the "
        f"number of test {what}."
    )
    return Field(None, ge=0, description=meaning)


def validation_size(what: str, validation: int | float | None) -> dict[str, Any]:
    """The arguments `validation_items` or `validation_users`, or `validation_fraction`, for a size
    that is a number or a share."""
    if isinstance(validation, int):
        return {f"validation_{what}": validation}
    return {"validation_fraction": validation}
