"""Templates of pages in Markdown, which lie beside the modules that fill them."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined, Template


def template(package: str, name: str) -> Template:
    """The template `name` in the folder `beekit/package`; a name that it is not given is an error.

    Nothing is escaped: in Markdown there is nothing to escape.
    """
    pages = Environment(
        loader=PackageLoader("beekit", package),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    return pages.get_template(name)
