"""Trainings and comparisons that are interrupted at random moments, and started again.

    python tests/run/interruptions.py FOLDER SEED [SEED ...] [--tmpfs]

A script of its own: each job runs in a process forked from this one, which has imported all there
is, and is a real process to signals, locks and limits. It prints a line of JSON for each seed. With
`--tmpfs` a full disk is one (that needs root), else a limit on the size of files.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch
import yaml

import beekit.run.repeats
import beekit.run.summary  # noqa: F401 - so that a forked process need not import it
from beekit.cli import main
from beekit.files import file_digest
from beekit.folder_lock import LOCK_FILE
from beekit.quickstart import build_encoder, make_shop

KINDS = ("SIGINT", "SIGTERM", "SIGKILL", "full disk", "damaged file", "second process")
JOBS = ("train", "evaluate")
# What differs from run to run, and is no result.
_COSTS = ("seconds", "fit_seconds", "fit_memory_mb", "peak_memory_mb")


def prepare(folder: Path) -> None:
    """A shop, an encoder, and the configuration of each job."""
    shop = make_shop(series=4, customers=120, seed=1)
    shop.save(folder / "shop")
    build_encoder(shop.texts, dims=16, layers=1).save(str(folder / "encoder"))
    shared = {"data": str(folder / "shop"), "text": "{text}", "encoder": str(folder / "encoder")}
    training = {
        **{"users_per_step": 40, "items_per_step": 40, "max_steps": 10, "save_steps": 2},
        **{"eval_steps": 2, "learning_rate": 5e-3, "load_best_model_at_end": True, "dropout": True},
        **{"metric_for_best_model": "ndcg@10", "disable_tqdm": True, "bf16": False},
    }
    split = {"items": 20, "validation": 15, "seed": 3}
    jobs = {
        "train": {"split": split, "training": training, "evaluation": {"metrics": ["ndcg@10"]}},
        "evaluate": {
            "split": {"kind": "cold_start", "items": 20, "seed": 3},
            "models": ["random", "popularity", "EASE", "ELSA", "ContentBased", "Heater"],
            "evaluation": {"metrics": ["ndcg@10", "recall@10"], "top_k": 10},
            "save_models": True,
        },
    }
    for name, content in jobs.items():
        path = folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump({**shared, **content, "out": str(folder / "out")}))


class Started:
    """A command in a process of its own, with what it says on standard error."""

    def __init__(self, arguments: list[str], log: Path, file_limit: int | None = None) -> None:
        self.log = log
        self.pid = os.fork()
        if self.pid:
            return
        code = 99
        try:
            for number in (1, 2):
                os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            if file_limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
            code = main(arguments)
        except BaseException:
            sys.excepthook(*sys.exc_info())  # a traceback, which is told from the log
        finally:
            os._exit(code)

    def wait(self) -> int:
        """The exit code, negative of a signal that ended it."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def ended(self) -> bool:
        """Whether it is over, without waiting for it."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def outcome(out: Path) -> object:
    """What a finished run holds, less what it cost; None of one that is not finished."""
    if not (out / "results.json").is_file():
        return None

    def without(content: object) -> object:
        if isinstance(content, dict):
            return {k: without(v) for k, v in content.items() if k not in _COSTS}
        return [without(one) for one in content] if isinstance(content, list) else content

    try:
        results = json.loads((out / "results.json").read_text())
    except ValueError:  # damaged
        return None
    kept = [path for name in ("model", "models") for path in sorted((out / name).rglob("*"))]
    files = {str(p.relative_to(out)): file_digest(p) for p in kept if p.is_file()}
    return [without(results), files]


class Trials:
    """Jobs of a folder, each with how it ends if nobody disturbs it."""

    def __init__(self, folder: Path, tmpfs: bool) -> None:
        self.folder, self.tmpfs = folder, tmpfs
        prepare(folder)
        self.wanted: dict[str, object] = {}
        self.seconds: dict[str, float] = {}
        self.bytes: dict[str, int] = {}
        for job in JOBS:
            out = folder / f"{job}-undisturbed"
            started = time.perf_counter()
            code = self._start(job, out).wait()
            assert code == 0, (folder / f"{out.name}.log").read_text()
            self.seconds[job] = time.perf_counter() - started
            self.wanted[job] = outcome(out)
            self.bytes[job] = sum(p.stat().st_size for p in out.rglob("*") if p.is_file())

    def _start(self, job: str, out: Path, file_limit: int | None = None) -> Started:
        arguments = [job, str(self.folder / f"{job}.yaml"), f"out={out}"]
        return Started(arguments, self.folder / f"{out.name}.log", file_limit)

    def run(self, seed: int) -> dict[str, object]:
        """One interruption: what was done when, and how both runs ended."""
        kind, job = KINDS[seed % len(KINDS)], JOBS[seed // len(KINDS) % len(JOBS)]
        drawn = random.Random(seed)
        moment = 0.8 * drawn.random() * self.seconds[job]  # the first run took longest
        place = self.folder / f"place-{seed}"
        place.mkdir()
        out = place / "run"
        log = self.folder / f"{out.name}.log"
        log.unlink(missing_ok=True)
        told: dict[str, object] = {"seed": seed, "job": job, "kind": kind}
        try:
            if kind == "full disk":
                codes, room = self._full(job, place, drawn)
                told["room"] = room
            else:
                codes = self._disturbed(job, kind, out, moment, drawn)
                told["moment"] = round(moment / self.seconds[job], 2)
            said = log.read_text()
            told |= {"codes": codes, "last": said.splitlines()[-1:]}
            told["traceback"] = "Traceback" in said
            told["same"] = codes[-1] != 99 and outcome(out) == self.wanted[job]
            refused = codes[-1] == 2 and "beekit: " in said.splitlines()[-1]
            told["well"] = not told["traceback"] and (refused or (codes[-1] == 0 and told["same"]))
            if not told["well"]:
                told["log"] = said[-3000:]
        finally:
            if kind == "full disk" and self.tmpfs:
                subprocess.run(["umount", place], check=True)
        return told

    def _disturbed(
        self, job: str, kind: str, out: Path, moment: float, drawn: random.Random
    ) -> list[int]:
        first = self._start(job, out)
        end = time.perf_counter() + moment
        while time.perf_counter() < end and not first.ended():
            time.sleep(0.005)
        if kind == "second process":
            second = self._start(job, out).wait()
            return [second, first.wait()]
        if not first.ended():
            os.kill(first.pid, getattr(signal, kind, signal.SIGKILL))
        codes = [first.wait()]
        if kind == "damaged file":
            damage(out, drawn)
        return [*codes, self._start(job, out).wait()]

    def _full(self, job: str, place: Path, drawn: random.Random) -> tuple[list[int], int]:
        out = place / "run"
        if not self.tmpfs:
            largest = max(
                p.stat().st_size for p in self.folder.glob(f"{job}-*/**/*") if p.is_file()
            )
            limit = drawn.randrange(1024, largest)
            return [self._start(job, out, limit).wait(), self._start(job, out).wait()], limit
        room = drawn.randrange(8192, self.bytes[job])
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", place], check=True)
        codes = [self._start(job, out).wait()]
        subprocess.run(["mount", "-o", "remount,size=100m", place], check=True)
        return [*codes, self._start(job, out).wait()], room


def damage(out: Path, drawn: random.Random) -> None:
    """Cut off a file of a run, or change a byte of it."""
    files = [p for p in sorted(out.rglob("*")) if p.is_file() and p.name != LOCK_FILE]
    files = [path for path in files if path.stat().st_size]
    if not files:
        return
    path = drawn.choice(files)
    content = bytearray(path.read_bytes())
    at = drawn.randrange(len(content))
    if drawn.random() < 0.5:
        content = content[:at]
    else:
        content[at] ^= 0xFF
    path.write_bytes(content)


if __name__ == "__main__":
    torch.set_num_threads(1)  # a forked process has no other threads of its parent
    place, *given = sys.argv[1:]
    trials = Trials(Path(place), "--tmpfs" in given)
    for one in given:
        if one.isdecimal():
            print(json.dumps(trials.run(int(one))), flush=True)
