"""What a result was computed with."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from typing import Any

import torch

import beekit
from beekit.ranking.ties import TIES


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, device, threads and the rule for ties, for results.json."""
    packages = ("torch", "sentence-transformers", "transformers", "numpy", "scipy", "accelerate")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "beekit": beekit.__version__,
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
        "platform": platform.platform(),
        "device": f"{device.type} ({name})",
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "ties": TIES,
    }
