"""Writing export.json and README.md, which describe an export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from beekit.files import write_json, write_text
from beekit.templates import template


def write_about(folder: Path, about: dict[str, Any]) -> None:
    """Write export.json and README.md."""
    write_json(folder / "export.json", about)
    name = "items.md.j2" if about["format"] == "faiss" else "encoder.md.j2"
    page = template("export", name).render(about=about)
    write_text(folder / "README.md", page.rstrip() + "\n")
