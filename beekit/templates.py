"""Loading the templates of Markdown and HTML pages, which are beside the modules that use them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template


def template(
    package: str, name: str, filters: Mapping[str, Callable[..., Any]] | None = None
) -> Template:
    """The template `name` in the folder `beekit/package`.

    A variable that is not given is an error. Values are escaped in HTML and not in Markdown.
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
