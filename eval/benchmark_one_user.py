"""Milliseconds to recommend for one user, with the search kept and with the search made anew.

    python eval/benchmark_one_user.py
    python eval/benchmark_one_user.py --models ALS BPR --items 50000

Models that rank by vectors are fitted on random interactions, briefly, since the time of a list
depends on the number of items and dimensions alone. Then each answers requests of one user, whose
history no training user has, by turns as it serves (what it made of its vectors is kept) and with
all of that forgotten before the request. The fastest of the requests counts, the one that other
work on the machine slows least; both ways give the same lists.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import scipy.sparse as sp
import torch

from beekit.models import model_class

parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("--items", type=int, default=10_000)
parser.add_argument("--dims", type=int, default=128)
parser.add_argument("--users", type=int, default=500, help="to fit on")
parser.add_argument("--history", type=int, default=20, help="items of a user")
parser.add_argument("--requests", type=int, default=25)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument(
    "--models",
    nargs="+",
    default=[
        *("ContentBased", "Heater", "DropoutNet", "CLCRec"),
        *("ALS", "PMF", "BPR", "PureSVD", "TwoTower", "AsymmetricSVD"),
    ],
)
options = parser.parse_args()
torch.set_num_threads(options.threads)
generator = np.random.default_rng(0)


def interactions(users: int) -> sp.csr_array:
    rows = np.repeat(np.arange(users), options.history)
    columns = generator.integers(0, options.items, len(rows))
    return sp.csr_array((np.ones(len(rows)), (rows, columns)), shape=(users, options.items))


def milliseconds(model, histories: sp.csr_array) -> tuple[float, tuple]:
    begin = time.perf_counter()
    lists = model.recommend(histories, 10)
    return 1000 * (time.perf_counter() - begin), lists


vectors = generator.normal(size=(options.items, options.dims)).astype(np.float32)
settings = {"vectors": vectors, "embedding_dim": options.dims, "epochs": 1, "iterations": 1}
X, asking = interactions(options.users), interactions(options.requests)
print(f"{options.items:,} items, {options.dims} dims, {options.threads} threads; ms for one user")
print(f"{'':14} {'anew':>8} {'kept':>8} {'times':>6}")
for name in options.models:
    kind = model_class(name)
    fields = kind.__dataclass_fields__
    model = kind(**{key: value for key, value in settings.items() if key in fields}).fit(X)
    anew, kept = [], []
    milliseconds(model, asking[:1])
    for request in range(options.requests):
        took, lists = milliseconds(model, asking[request : request + 1])
        kept.append(took)
        made = model.__dict__.pop("_made")
        took, again = milliseconds(model, asking[request : request + 1])
        anew.append(took)
        assert all(np.array_equal(*pair) for pair in zip(lists, again, strict=True))
        assert made.keys() == model.__dict__["_made"].keys()
    slow, fast = min(anew), min(kept)
    print(f"{name:14} {slow:8.2f} {fast:8.2f} {slow / fast:6.1f}")
