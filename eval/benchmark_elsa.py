"""Seconds to fit ELSA until it ranks equally well, beside the package `elsarec`.

    python eval/benchmark_elsa.py DATA
    python eval/benchmark_elsa.py DATA --package-epochs 2 5 10 20 40 --package-learning-rate 0.05

DATA is a dataset folder, of which users are held out, or one with train.parquet and test.parquet.
Both get the same X, dims, threads and ranking, alternate for some rounds in one process, and have
run on some users before the clock starts. The package's settings are those of its README; it keeps
its learning rate and optimiser state from one fit to the next, so that one training goes through
--package-epochs and is scored at each, the clock stopped. The first that reaches beekit's ndcg@100
counts; if none does, its best does, and the last lines say so. The seed is the round's number.
"""

from __future__ import annotations

import argparse
import statistics
import time
from importlib.util import find_spec
from pathlib import Path

import pyarrow.parquet as pq
import scipy.sparse as sp
import torch
from torch.nn import functional

from beekit import Dataset, Interactions, ItemIndex, evaluate, user_split
from beekit.matrices import ones
from beekit.models import ELSA
from beekit.models.base import Request
from beekit.models.linear.two_sides import recommend_by_sides
from beekit.split import published_split

parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("data", type=Path)
parser.add_argument("--min-value", type=float, default=4, help="of a dataset folder")
parser.add_argument("--users", type=int, default=1000, help="held out, of a dataset folder")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--embedding-dim", type=int, default=256)
parser.add_argument("--epochs", type=int, default=ELSA.epochs)
parser.add_argument("--learning-rate", type=float, default=ELSA.learning_rate)
parser.add_argument("--package-epochs", type=int, nargs="+", default=[1, 2, 3, 5, 7, 10, 15, 20])
parser.add_argument("--package-batch-size", type=int, default=128)
parser.add_argument("--package-learning-rate", type=float, default=0.1)
parser.add_argument("--package-shuffle", action="store_true", help="users, anew each epoch")
parser.add_argument("--tolerance", type=float, default=0.0005, help="ndcg@100 less that is equal")
options = parser.parse_args()
torch.set_num_threads(options.threads)


class Package:
    """The package's vectors, ranked by beekit, so that fits alone are compared."""

    scores_cold_items = False

    def __init__(self, items, seed):
        import elsa

        torch.manual_seed(seed)
        self.model = elsa.ELSA(
            items, options.embedding_dim, torch.device("cpu"), options.package_learning_rate
        )

    def fit(self, X, epochs):
        batch_size, shuffle = options.package_batch_size, options.package_shuffle
        self.model.fit(X, epochs, batch_size, shuffle, verbose=False)
        self.vectors = functional.normalize(self.model.get_items_embeddings(), dim=-1).numpy()
        return self

    def recommend(self, X, k, candidates=None, exclude_seen=True):
        asked = Request(ones(X), k, candidates, exclude_seen)
        return recommend_by_sides(ItemIndex(self.vectors), asked)


def fit_ours(X, seed):
    rate = options.learning_rate
    return ELSA(options.embedding_dim, rate, options.epochs, seed=seed, device="cpu").fit(X)


def ndcg(model) -> float:
    found = evaluate(model, split.test, metrics=["ndcg@100"], intervals=False)
    return found.metrics["ndcg@100"]["value"]


if (options.data / "train.parquet").is_file():
    tables = [pq.read_table(options.data / f"{part}.parquet") for part in ("train", "test")]
    columns = [[table[name].to_numpy() for table in tables] for name in ("user_id", "item_id")]
    together = Interactions.from_arrays(*([v for part in c for v in part] for c in columns))
    split = published_split(together, Interactions.from_arrays(*(column[1] for column in columns)))
else:
    dataset = Dataset.load(options.data, min_value=options.min_value)
    split = user_split(dataset.interactions, users=options.users, validation_users=0)
X = sp.csr_matrix(split.train)  # the package takes no csr_array
print(f"{X.shape[0]:,} users, {X.shape[1]:,} items, {X.nnz:,} interactions")

installed = find_spec("elsa") is not None
if not installed:
    print("The package elsarec is not installed: beekit alone.")
fit_ours(X[:256], 0)
if installed:
    Package(X.shape[1], 0).fit(X[:256], 1)

ratios, reached = [], 0
for seed in range(options.rounds):
    started = time.perf_counter()
    ours = fit_ours(X, seed)
    our_seconds = time.perf_counter() - started
    our_ndcg = ndcg(ours)
    print(f"beekit: {our_seconds:.1f} s, ndcg@100 {our_ndcg:.4f}", flush=True)
    if not installed:
        continue
    started, seconds, done, tried = time.perf_counter(), 0.0, 0, []
    package = Package(X.shape[1], seed)
    for epochs in sorted(set(options.package_epochs)):
        package.fit(X, epochs - done)
        seconds, done = seconds + time.perf_counter() - started, epochs
        tried.append((ndcg(package), seconds))
        print(f"elsarec, {epochs} epochs: {seconds:.1f} s, ndcg@100 {tried[-1][0]:.4f}", flush=True)
        if tried[-1][0] >= our_ndcg - options.tolerance:
            reached += 1
            break
        started = time.perf_counter()
    # The last tried where it reached ours, which is then its best, too.
    ratios.append(max(tried)[1] / our_seconds)
if ratios:
    quality = "equal" if reached == len(ratios) else "elsarec's best"
    rounds = ", ".join(f"{ratio:.1f}" for ratio in ratios)
    middle = statistics.median(ratios)
    print(f"elsarec / beekit seconds at {quality} ndcg@100: {middle:.1f} (rounds: {rounds})")
    print(f"elsarec reached beekit's ndcg@100 in {reached} of {len(ratios)} rounds")
