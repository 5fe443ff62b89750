"""What a result was computed with."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from typing import Any

import torch

import beekit
from beekit.ranking.ties import TIES

_PACKAGES = ("torch", "sentence-transformers", "transformers", "numpy", "scipy", "accelerate")


def versions(device: torch.device) -> dict[str, str]:
    """What the numbers of a training depend on beside its configuration: libraries and device."""
    packages = ("torch", "sentence-transformers", "transformers", "accelerate")
    own = {package: version(package) for package in packages}
    return {"beekit": beekit.__version__, **own, "device": device.type}


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, device, threads and the rule for ties, for results.json."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "beekit": beekit.__version__,
        "python": platform.python_version(),
        **{package: version(package) for package in _PACKAGES},
        "platform": platform.platform(),
        "device": f"{device.type} ({name})",
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "ties": TIES,
    }
