"""Seconds and memory of an epoch of models that learn in epochs, and the operations it goes to.

    python eval/benchmark_neural.py DATA MultVAE RecVAE
    python eval/benchmark_neural.py --users 136677 --items 20108 --interactions 10000000 MultVAE

DATA is a dataset folder; with --users, --items and --interactions, X is drawn at random, where few
items have most of the interactions. Each model has its default settings, but for those given as
--set learning_rate=0.01. An epoch is the time between two looks after epochs: what comes before the
first one does not count, what copies the model to look at does. On a GPU its memory is stated, else
what the process took at the highest so far.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
import yaml
from torch.profiler import ProfilerActivity, profile

from beekit import Dataset
from beekit.models.registry import by_name
from beekit.training.trainer import peak_memory

parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("data", nargs="?", type=Path)
parser.add_argument("models", nargs="+", help="names of beekit's models")
parser.add_argument("--min-value", type=float, help="of a dataset folder")
parser.add_argument("--users", type=int)
parser.add_argument("--items", type=int)
parser.add_argument("--interactions", type=int)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="settings")
parser.add_argument("--operations", type=int, default=4, help="how many are named")
options = parser.parse_args()
torch.set_num_threads(options.threads)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def drawn(users: int, items: int, interactions: int) -> sp.csr_array:
    """Random interactions, whose items follow Zipf's law; repeated ones count once."""
    draw = np.random.default_rng(0)
    chances = 1 / np.arange(10, items + 10)
    owned = draw.choice(items, interactions, p=chances / chances.sum())
    owner = draw.integers(users, size=interactions)
    X = sp.csr_array((np.ones(interactions, np.float32), (owner, owned)), shape=(users, items))
    X.data[:] = 1
    return X


class Enough(Exception):
    pass


def epoch(name: str) -> tuple[float, profile]:
    """Seconds of the second epoch, and what the third was made of."""
    settings = {"epochs": 100, "patience": 0}
    settings |= {key: yaml.safe_load(value) for key, value in (s.split("=") for s in options.set)}
    times: list[float] = []
    profiler = profile(activities=[ProfilerActivity.CPU], acc_events=True)

    def look(*_: object) -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter())
        if len(times) == 2:
            profiler.start()
        if len(times) == 3:
            profiler.stop()
            raise Enough

    given = X.astype(np.float64)
    if getattr(by_name(name), "reads", "items") != "items":  # any numbers cost the same
        given.data = np.random.default_rng(1).random(X.nnz)
    with contextlib.suppress(Enough):
        by_name(name)(**settings).fit(given, after_epoch=look)
    return times[1] - times[0], profiler


if options.data is None or options.users:
    options.models = [*filter(None, [options.data and str(options.data)]), *options.models]
    X = drawn(options.users, options.items, options.interactions)
else:
    X = Dataset.load(
        options.data, min_value=options.min_value, missing_items="ids"
    ).interactions.matrix
print(f"{X.shape[0]:,} users, {X.shape[1]:,} items, {X.nnz:,} interactions, on {device}")
for name in options.models:
    seconds, profiler = epoch(name)
    rows = [row for row in profiler.key_averages() if row.self_cpu_time_total]
    total = sum(row.self_cpu_time_total for row in rows)
    rows = sorted(rows, key=lambda row: -row.self_cpu_time_total)[: options.operations]
    shares = ", ".join(f"{row.key} {row.self_cpu_time_total / total:.0%}" for row in rows)
    memory = peak_memory(device)
    print(f"{name}: {seconds:.2f} s an epoch, {memory:,.0f} MB at most; {shares}", flush=True)
