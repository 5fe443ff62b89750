"""Texts from templates, against str.format over rows."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beekit.data.template import render, template_columns
from beekit.errors import DataError

FIELDS = pa.table(
    {
        "title": ["Toner", "Drum", None],
        "plot": ["Prints.", None, None],
        "year": pa.array([1984, None, 2001]),
        "price": [2.5, float("nan"), 3.0],
        "new": [True, False, None],
        "kind": pa.array(["a", "b", "a"]).dictionary_encode(),
        "long name": ["x", "y", "z"],
        "genres": [["a", None, "b"], ["b"], []],
        "sizes": [[[1, 2], [3]], None, [[]]],
        "Book-Title": ["p", "q", "r"],
        "dc:title": ["s", "t", "u"],
        "a.b[0]!r": ["v", "w", "x"],
        "people": [[{"name": "z"}], [], []],
    }
)


def rendered(template: str) -> list[str]:
    return render(template, FIELDS).to_pylist()


def test_columns_are_joined_as_the_template_says():
    assert rendered("{title}: {kind}") == ["Toner: a", "Drum: b", ": a"]


def test_a_missing_value_is_an_empty_text():
    assert rendered("{title}. {plot}") == ["Toner. Prints.", "Drum.", ""]


def test_nan_is_a_missing_value_not_the_word_nan():
    assert rendered("{title} {price}")[1] == "Drum"


def test_numbers_are_written_plainly():
    assert rendered("{year}") == ["1984", "", "2001"]
    assert rendered("{price}") == ["2.5", "", "3"]
    assert rendered("{new}") == ["true", "false", ""]


def test_doubled_braces_are_literal():
    assert rendered("{{{title}}} {{}}")[0] == "{Toner} {}"


def test_literal_text_alone_is_no_text_of_an_item():
    # The third item has neither title nor plot: the dot and the words around are no description.
    assert rendered("About: {title}. {plot}!")[2] == ""


def test_a_column_may_be_named_twice_and_hold_a_space():
    assert rendered("{long name}{long name}") == ["xx", "yy", "zz"]


def test_lists_are_joined_by_commas_also_inside_lists():
    assert rendered("{genres}") == ["a, b", "b", ""]
    assert rendered("{sizes}") == ["1, 2, 3", "", ""]


def test_any_name_of_a_column_is_one_in_braces():
    assert rendered("{Book-Title} {dc:title} {a.b[0]!r}") == ["p s v", "q t w", "r u x"]


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        (pa.array(["a", None, "c"], pa.string_view()), ["a", "", "c"]),
        (pa.array([Decimal("1.50"), None, Decimal("2.00")]), ["1.50", "", "2.00"]),
        (
            pa.array([UUID(int=1).bytes, None, UUID(int=2).bytes], pa.uuid()),
            [f"{UUID(int=1)}", "", f"{UUID(int=2)}"],
        ),
        (pa.array([b"a", None, b"c"]), ["a", "", "c"]),
        (pa.array([date(2020, 1, 2), None, None]), ["2020-01-02", "", ""]),
    ],
)
def test_columns_of_odd_types_are_text(column, texts):
    assert render("{x}", pa.table({"x": column})).to_pylist() == texts


def test_names_are_listed_in_order():
    assert template_columns("{b} {{x}} {a}{b}") == ("b", "a", "b")


@settings(deadline=None, max_examples=40)
@given(
    rows=st.lists(
        st.tuples(st.none() | st.text("ab {}\n", max_size=4), st.none() | st.integers(0, 99)),
        min_size=1,
        max_size=8,
    ),
    template=st.sampled_from(["{a}", "{a}-{b}", "{{{b}}} {a}", " {a}\n{b} "]),
)
def test_rendering_is_str_format_row_by_row(rows, template):
    a, b = zip(*rows, strict=True)
    table = pa.table({"a": pa.array(a, pa.string()), "b": pa.array(b, pa.int64())})
    for text, (x, y) in zip(render(template, table).to_pylist(), rows, strict=True):
        values = {"a": "" if x is None else x, "b": "" if y is None else str(y)}
        named = "".join(values[name] for name in template_columns(template))
        assert text == (template.format(**values).strip() if named.strip() else "")


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("{title", "cannot be read"),
        ("title}", "cannot be read"),
        ("{ti{t}le}", "cannot be read"),
        ("{title:>9}", "{title:>9}"),
        ("{title!r}", "{title!r}"),
        ("{title.upper}", "{title.upper}"),
        ("{title[0]}", "{title[0]}"),
        ("{}", "{}"),
        ("{0}", "{0}"),
        ("no columns", "names no column"),
        ("", "names no column"),
        ("{titel} {title}", "names titel"),
        ("{people}", "list<"),
    ],
)
def test_a_template_that_cannot_be_meant_is_refused_in_one_line(template, found):
    with pytest.raises(DataError) as caught:
        render(template, FIELDS)
    assert found in caught.value.found
    assert "\n" not in str(caught.value)


def test_an_absent_column_is_answered_with_the_columns_there_are():
    with pytest.raises(DataError) as caught:
        render("{titel}", FIELDS.select(["title", "year"]))
    assert caught.value.expected == "columns among title, year"
