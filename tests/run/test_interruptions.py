"""Whatever interrupts a training or a comparison, the same command ends as if nothing had."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# Each draws its moment: of each kind one, in turn of a training and of a comparison. More of them
# try more moments: BEEKIT_INTERRUPTIONS=60.
SEEDS = (0, 7, 2, 9, 4, 11)
if "BEEKIT_INTERRUPTIONS" in os.environ:
    SEEDS = tuple(range(int(os.environ["BEEKIT_INTERRUPTIONS"])))


@pytest.fixture(scope="module")
def trials(tmp_path_factory) -> dict[int, dict]:
    script = Path(__file__).parent / "interruptions.py"
    folder = tmp_path_factory.mktemp("interruptions")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    asked = [sys.executable, str(script), str(folder), *map(str, SEEDS)]
    done = subprocess.run(asked, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    return {told["seed"]: told for told in lines}


@pytest.mark.parametrize("seed", SEEDS)
def test_an_interrupted_job_ends_as_an_undisturbed_one_or_says_why_not(trials, seed):
    told = trials[seed]
    assert told["well"], told
    if told["kind"] in ("SIGINT", "SIGTERM", "SIGKILL", "full disk", "second process"):
        assert told["same"], told
    usual = {"SIGINT": 130, "SIGTERM": 143, "SIGKILL": -9, "full disk": 2, "second process": 2}
    assert told["codes"][0] in (usual.get(told["kind"], -9), 0), told
