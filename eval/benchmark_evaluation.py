"""Seconds from interactions to X, and from embeddings to metrics with intervals.

    python eval/benchmark_evaluation.py DATA --candidates all|cold

Random unit vectors stand in for embeddings: the work is the same, and no encoder is needed.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq

from beekit import Dataset, Interactions, ItemIndex, cold_start_split, evaluate, user_split

parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("data", help="dataset folder with Parquet files")
parser.add_argument("--candidates", choices=("all", "cold"), default="all")
parser.add_argument("--dims", type=int, default=384)
parser.add_argument("--rows", type=int, default=3_600_000, help="interactions turned into X")
options = parser.parse_args()

started = time.perf_counter()
dataset = Dataset.load(options.data)
print(f"{dataset.name}: loaded in {time.perf_counter() - started:.2f} s")

table = pq.read_table(f"{options.data}/interactions.parquet", columns=["user_id", "item_id"])
users, items = (table[name].to_numpy() for name in ("user_id", "item_id"))
copies = -(-options.rows // len(users))
if users.dtype.kind == "i":  # distinct users in every copy, rows in random order
    shuffled = np.random.default_rng(0).permutation(len(users) * copies)[: options.rows]
    many_users = np.concatenate([users + c * (users.max() + 1) for c in range(copies)])[shuffled]
    many_items = np.tile(items, copies)[shuffled]
    Interactions.from_arrays(many_users[:10], many_items[:10])  # Arrow imports pandas, once
    rounds = []
    for _ in range(5):
        started = time.perf_counter()
        Interactions.from_arrays(many_users, many_items)
        rounds.append(time.perf_counter() - started)
    print(f"{len(many_users):,} interactions to X in {min(rounds):.2f} to {max(rounds):.2f} s")

vectors = np.random.default_rng(0).normal(size=(len(dataset.catalog), options.dims))
vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
if options.candidates == "cold":
    part = cold_start_split(dataset.interactions, fraction=0.2).test
else:
    users_held_out = dataset.interactions.n_users - 2
    part = user_split(dataset.interactions, users=users_held_out, validation_users=0).test
    part = replace(part, candidates=dataset.interactions.used_items)
started = time.perf_counter()
evaluation = evaluate(ItemIndex(vectors), part)
seconds = time.perf_counter() - started
print(
    f"{len(evaluation.users):,} users, {len(part.candidates):,} candidates, top 100, "
    f"{len(evaluation.metrics)} metrics with intervals: {seconds:.2f} s"
)
