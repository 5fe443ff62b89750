"""Settings read from the source are those that the class takes, with the same types and rules."""

from __future__ import annotations

from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest

from beekit.errors import ConfigError
from beekit.models.declared import declared_settings, plain_type, require_setting
from beekit.models.registry import model_class, model_names, parameters


@pytest.mark.parametrize("name", model_names())
def test_the_source_says_what_the_class_takes(name):
    kind, declared = model_class(name), declared_settings(name)
    assert declared.keys() == parameters(kind).keys()
    hints = get_type_hints(kind, include_extras=True)
    for setting, said in declared.items():
        if said is Any:
            continue
        assert plain_type(said) == plain_type(hints[setting])
        if get_origin(said) is Annotated:
            assert get_args(said)[1] is get_args(hints[setting])[1]


def test_most_types_are_understood():
    every = [said for name in model_names() for said in declared_settings(name).values()]
    assert sum(said is Any for said in every) < 0.1 * len(every)


def test_a_value_out_of_range_is_refused():
    with pytest.raises(ConfigError, match="epochs=0; expected an integer from 1 on"):
        require_setting("epochs", 0, declared_settings("RecVAE")["epochs"])
    require_setting("device", None, declared_settings("RecVAE")["device"])
