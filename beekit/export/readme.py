"""What lies beside an export for people: README.md, and the versions it was made with."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from beekit.files import write_text

_LIBRARIES = {
    "onnx": ("torch", "transformers", "sentence-transformers", "onnx", "onnxruntime"),
    "openvino": ("torch", "transformers", "sentence-transformers", "onnx", "openvino"),
    "faiss": ("numpy",),
}


def versions(format: str) -> dict[str, str]:
    """Of beekit and the libraries an export was made and checked with, by name."""
    import beekit

    return {"beekit": beekit.__version__} | {
        name: metadata.version(name) for name in _LIBRARIES[format]
    }


def write_readme(folder: Path, about: dict[str, Any]) -> None:
    """Write README.md from what export.json says."""
    # A page of Markdown: nothing to escape.
    pages = Environment(
        loader=PackageLoader("beekit", "export"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    name = "items.md.j2" if about["format"] == "faiss" else "encoder.md.j2"
    page = pages.get_template(name).render(about=about)
    write_text(folder / "README.md", page.rstrip() + "\n")
