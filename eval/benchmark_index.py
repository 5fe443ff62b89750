"""What FAISS indexes give up against exact search, and what they gain: a table to choose from.

    python eval/benchmark_index.py RUN --factories Flat IVF64,Flat HNSW32 IVF64,PQ48x8
    python eval/benchmark_index.py DATA --dims 384

With a run folder: its item vectors, and the histories of its dataset. With a dataset folder:
random unit vectors, which have no clusters for cells to follow, so IVF finds less in them than in
an encoder's; bytes and times are alike. Bytes are of what FAISS searches; the float32 vectors that
rank what it finds come on top. Times hold for this machine and its load, with FAISS's threads.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from beekit import Dataset, ItemIndex
from beekit.index import Effort, measure_index
from beekit.index.measure import index_bytes
from beekit.run.dataset import load_dataset
from beekit.run.resume import saved_config
from beekit.run_folder import RunFolder

parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("folder", help="run folder, or dataset folder")
parser.add_argument(
    "--factories",
    nargs="+",
    metavar="STRING",
    default=["Flat", "IVF64,Flat", "IVF256,Flat", "HNSW32", "IVF64,SQ8", "IVF64,PQ48x8", "PQ48x8"],
    help="FAISS factory strings",
)
parser.add_argument("--k", type=int, default=20)
parser.add_argument("--users", type=int, default=1000, help="histories to ask with, drawn")
parser.add_argument("--candidates", type=float, default=1.0, help="share of the items, drawn")
parser.add_argument("--dims", type=int, default=384, help="of random vectors")
parser.add_argument("--nprobe", type=int, default=Effort.nprobe)
parser.add_argument("--ef-search", type=int, default=Effort.ef_search)
parser.add_argument("--refine", type=int, default=Effort.refine)
options = parser.parse_args()

generator = np.random.default_rng(0)
run = RunFolder(Path(options.folder))
user_side = None
if run.config.is_file():
    dataset = load_dataset(saved_config(run))
    saved = ItemIndex.load(run.index)
    if not np.array_equal(saved.item_ids, dataset.catalog.item_ids):
        raise SystemExit(f"{run.path}: index and dataset list other items; `beekit index` first")
    vectors, user_side = saved.item_vectors, saved.user_side
else:
    dataset = Dataset.load(options.folder)
    vectors = generator.normal(size=(len(dataset.catalog), options.dims)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

X = dataset.interactions.matrix
X = X[generator.choice(X.shape[0], min(options.users, X.shape[0]), replace=False)]
candidates = None
if options.candidates < 1:
    count = max(1, round(options.candidates * len(vectors)))
    candidates = np.sort(generator.choice(len(vectors), count, replace=False))
effort = Effort(options.nprobe, options.ef_search, options.refine)
exact = ItemIndex(vectors, user_side=user_side).recommend(X, options.k, candidates)[0]

print(
    f"{dataset.name}: {vectors.shape[0]:,} items of {vectors.shape[1]} dims, {X.shape[0]:,} users, "
    f"{len(vectors) if candidates is None else len(candidates):,} candidates, nprobe "
    f"{effort.nprobe}, ef_search {effort.ef_search}, refine {effort.refine}"
)
columns = f"build s       MB  recall@{options.k}  ms/user alone  µs/user together"
print(f"{'factory':24}  {columns}")
for factory in options.factories:
    started = time.perf_counter()
    index = ItemIndex(vectors, user_side=user_side, factory=factory, effort=effort)
    index.recommend(X[[0]], options.k, candidates)  # ready is what has answered once
    seconds = time.perf_counter() - started
    quality = measure_index(index, X, options.k, candidates, exact=exact)
    print(
        f"{factory:24}  {seconds:7.2f}  {index_bytes(index) / 1e6:7.1f}  "
        f"{quality.recall:{7 + len(str(options.k))}.4f}  {quality.single_ms:13.2f}  "
        f"{quality.batch_us:16.1f}",
        flush=True,
    )
