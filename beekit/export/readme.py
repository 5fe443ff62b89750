"""Writing export.json and README.md, which describe an export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from beekit.files import write_json, write_text
from beekit.templates import template


def write_about(folder: Path, about: dict[str, Any]) -> None:
    """Write export.json and README.md."""
    write_json(folder / "export.json", about)
    name = "items.md.j2" if about["format"] == "faiss" else "encoder.md.j2"
    page = template("export", name).render(
        about=about, quoted=lambda text: json.dumps(text, ensure_ascii=False)
    )
    write_text(folder / "README.md", page.rstrip() + "\n")
