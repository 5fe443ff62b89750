"""Libraries that only exports need: imported, or the command that installs them; and versions."""

from __future__ import annotations

import importlib
from importlib import metadata
from types import ModuleType

import beekit
from beekit.errors import ExportError

# What writes a graph, and what runs it; PyTorch writes ONNX with the help of onnxscript.
NEEDED = {
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("onnx", "onnxscript", "openvino"),
}
_OF_GRAPHS = ("torch", "transformers", "sentence-transformers")


def need(format: str) -> list[ModuleType]:
    """The libraries of the extra of beekit with this name, imported."""
    found = []
    for name in NEEDED[format]:
        try:
            found.append(importlib.import_module(name))
        except ImportError as error:
            raise ExportError(
                f"{name} cannot be imported ({' '.join(str(error).split())[:120]})",
                expected=f"the libraries of the extra {format!r}",
                remedy=f"Install them with pip install 'beekit[{format}]'.",
            ) from error
    return found


def versions(format: str) -> dict[str, str]:
    """Of beekit and the libraries an export is made and checked with, by name."""
    libraries = (*_OF_GRAPHS, *NEEDED[format]) if format in NEEDED else ("numpy",)
    return {"beekit": beekit.__version__} | {name: metadata.version(name) for name in libraries}
