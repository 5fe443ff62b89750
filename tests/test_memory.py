"""Freed memory stays with the process, where glibc allows it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

import beekit

_MODULE = Path(beekit.__file__).parent / "memory.py"

_SCRIPT = """
import resource
import sys
import torch
import runpy

if sys.argv[1] == "keep":
    assert runpy.run_path(sys.argv[2])["keep_freed_memory"]()

def faults(mini_batches):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(mini_batches):
        activations = [torch.ones(4_000_000) for _ in range(10)]  # 16 MB each
        del activations
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults(3)
print(faults(5))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_freed_blocks_are_used_again_without_page_faults():
    # What glibc gives back by default depends on what lies above a block; like this, all of it.
    mapping = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(2**17)}

    def faults(mode: str) -> int:
        # By path, so that nothing else is imported.
        command = [sys.executable, "-c", _SCRIPT, mode, str(_MODULE)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=mapping)
        return int(done.stdout)

    assert faults("keep") < faults("default") / 4
