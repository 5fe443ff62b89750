"""Templates of pages in Markdown and HTML, which lie beside the modules that fill them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template


def template(
    package: str, name: str, filters: Mapping[str, Callable[..., Any]] | None = None
) -> Template:
    """The template `name` in the folder `beekit/package`; a name that it is not given is an error.

    Values are escaped in HTML; in Markdown there is nothing to escape.
    """
    pages = Environment(
        loader=PackageLoader("beekit", package),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=name.endswith(".html.j2"),
    )
    pages.filters |= filters or {}
    return pages.get_template(name)
