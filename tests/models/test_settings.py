"""Ranges that are declared with the fields of a model."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import numpy as np
import pytest

from beekit.errors import ConfigError, DataError
from beekit.models import ALS, EASE, ELSA, SLIM, CLCRec, ContentBased, model_class, model_names
from beekit.models.settings import FROM_ONE_OR_ALL, Count, check_settings, one_of


@dataclasses.dataclass
class Some:
    width: Count = 3
    neighbours: Annotated[int | None, FROM_ONE_OR_ALL] = None
    kind: Annotated[str, one_of("a", "b")] = "a"
    free: float = -1.0

    def __post_init__(self) -> None:
        check_settings(self)


def test_values_in_their_range_stay():
    assert dataclasses.astuple(Some(1, 1, "b", -5.0)) == (1, 1, "b", -5.0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"width": 0}, "width=0.*an integer from 1 on"),
        ({"width": None}, "width=None"),
        ({"width": "wide"}, "width='wide'"),
        ({"width": float("nan")}, "width=nan"),
        ({"neighbours": 0}, "neighbours=0.* or None for all items"),
        ({"kind": "c"}, "kind='c'.*one of a, b"),
    ],
)
def test_others_are_refused_in_one_line(wrong, message):
    with pytest.raises(ConfigError, match=message) as caught:
        Some(**wrong)
    assert "\n" not in str(caught.value)


def test_every_number_of_every_model_has_a_range():
    unlimited = {"seed", "power"}
    for name in model_names():
        kind = model_class(name)
        for field in dataclasses.fields(kind):
            number = field.init and type(field.default) in (int, float)
            if number and field.name not in unlimited:
                arguments = {"vectors": np.eye(2)} if hasattr(kind, "add_items") else {}
                with pytest.raises(ConfigError, match=field.name):
                    kind(**arguments, **{field.name: float("nan")})


def test_content_and_widths_are_brought_to_their_type():
    model = CLCRec(np.eye(3, dtype=np.float64), hidden_dims=[4, 5])
    assert model.vectors.dtype == np.float32
    assert model.hidden_dims == (4, 5)
    with pytest.raises(ConfigError, match="hidden_dims"):
        CLCRec(np.eye(2), hidden_dims=[0])
    with pytest.raises(DataError, match="shape"):
        ContentBased(None)


def test_arguments_by_place_are_what_they_were():
    assert (EASE(7.0).regularization, ELSA(5).embedding_dim, SLIM(0.1, 2.0).l2) == (7.0, 5, 2.0)
    assert ALS(3, 0.2).regularization == 0.2
