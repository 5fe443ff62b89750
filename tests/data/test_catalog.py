"""The catalog on its own."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from beekit.data import Catalog
from beekit.errors import DataError


@pytest.fixture
def catalog() -> Catalog:
    fields = pa.table({"title": ["Toner", None, "Drum"], "plot": ["x", "y", "z"]})
    return Catalog(np.array([30, 10, 20]), fields, "{title} {plot}")


def test_texts_stand_in_item_order(catalog):
    assert catalog.texts == ["Toner x", "y", "Drum z"]
    assert len(catalog) == 3


def test_taking_items_keeps_ids_fields_and_texts_together(catalog):
    taken = catalog.take(np.array([True, False, True]))
    assert taken.item_ids.tolist() == [30, 20]
    assert taken.texts == ["Toner x", "Drum z"]


def test_a_label_is_the_title_or_else_the_id(catalog):
    assert catalog.labels(np.array([2, 1, 2])) == ["Drum", "10", "Drum"]
    assert Catalog(np.array([7]), pa.table({"plot": ["x"]})).labels(np.array([0])) == ["7"]


def test_a_catalog_without_fields_is_a_catalog():
    catalog = Catalog(np.array(["a", "b"], dtype=object), pa.table({}))
    assert catalog.labels(np.array([1])) == ["b"]


def test_texts_without_a_template_are_refused():
    with pytest.raises(DataError, match="no text template"):
        _ = Catalog(np.array([1]), pa.table({"title": ["a"]})).texts


@pytest.mark.parametrize("item_ids", [[1, 2, 1, 2, 3], list("abab")])
def test_repeated_ids_are_refused_and_named(item_ids):
    with pytest.raises(DataError, match="repeats 2 item ids") as caught:
        Catalog(np.array(item_ids, dtype=object), pa.table({}))
    assert repr(item_ids[0]) in caught.value.found


def test_fields_of_another_length_are_refused():
    with pytest.raises(DataError, match="2 rows of fields for 1 items"):
        Catalog(np.array([1]), pa.table({"title": ["a", "b"]}))
