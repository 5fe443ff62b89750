"""Libraries that only exports need, or the command that installs them."""

from __future__ import annotations

import importlib
from types import ModuleType

from beekit.errors import ExportError

# What writes a graph, and what runs it; PyTorch writes ONNX with the help of onnxscript.
NEEDED = {
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("onnx", "onnxscript", "openvino"),
}


def need(extra: str) -> list[ModuleType]:
    """The libraries of an extra of beekit, imported.

    Raises:
        ExportError: if one of them is missing or broken.
    """
    found = []
    for name in NEEDED[extra]:
        try:
            found.append(importlib.import_module(name))
        except ImportError as error:
            raise ExportError(
                f"{name} cannot be imported ({' '.join(str(error).split())[:120]})",
                expected=f"the libraries of the extra {extra!r}",
                remedy=f"Install them with pip install 'beekit[{extra}]'.",
            ) from error
    return found
