"""Reading fields of Amazon's product metadata, whose types differ between releases and records."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from typing import Any


def as_text(value: Any, separator: str = " ") -> str:
    """A text, or all texts in a nested list joined by `separator`; "" if there is none.

    Entities such as `&amp;` are replaced by characters, and runs of white space by one space.
    """
    texts = (" ".join(html.unescape(text).split()) for text in _flat(value))
    return separator.join(text for text in texts if text)


def main_picture(images: Any) -> str | None:
    """The link to the largest main picture in the list of pictures of the 2023 release, or None."""
    if not isinstance(images, list):
        return None
    listed = [image for image in images if isinstance(image, dict)]
    for image in sorted(listed, key=lambda image: image.get("variant") != "MAIN"):
        for size in ("hi_res", "large", "thumb"):
            if image.get(size):
                return str(image[size])
    return None


def first_link(*fields: Any) -> str | None:
    """The first link in the fields, each of which is a link or a list of links; None if none."""
    return next((text for field in fields for text in _flat(field) if text), None)


def _flat(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Iterable) and not isinstance(value, dict):
        for part in value:
            yield from _flat(part)
