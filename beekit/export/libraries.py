"""The libraries that only exports need: importing them, and their versions."""

from __future__ import annotations

import importlib
from importlib import metadata
from types import ModuleType

import beekit
from beekit.errors import ExportError

# The libraries that write and run a graph; PyTorch needs onnxscript to write ONNX.
NEEDED = {
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("onnx", "onnxscript", "openvino"),
}
_OF_GRAPHS = ("torch", "transformers", "sentence-transformers")


def need(format: str) -> list[ModuleType]:
    """Import the libraries of the extra `beekit[format]`.

    Raises:
        ExportError: if one cannot be imported; it names the command that installs them.
    """
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
    """The versions of beekit and of the libraries that an export is made and checked with."""
    libraries = (*_OF_GRAPHS, *NEEDED[format]) if format in NEEDED else ("numpy",)
    return {"beekit": beekit.__version__} | {name: metadata.version(name) for name in libraries}
