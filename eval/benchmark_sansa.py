"""Seconds to fit SANSA and what it is worth, beside the package `sansa` where it is installed.

    python eval/benchmark_sansa.py DATA --density 0.05
    python eval/benchmark_sansa.py DATA --density 0.05 --factorisation exact

DATA is a dataset folder, of which users are held out, or one with train.parquet and test.parquet.
Both models get the same X, the same density and the same ranking; the package's code is compiled
on a corner of X before the clock starts. Its incomplete factorisation scales items to unit length
first, so that its regularization is on another scale there. It runs with scikit-sparse before 0.5.
"""

from __future__ import annotations

import argparse
import logging
import resource
import time
from importlib.util import find_spec
from pathlib import Path

import pyarrow.parquet as pq
import scipy.sparse as sp

from beekit import Dataset, Interactions, evaluate, user_split
from beekit.matrices import ones
from beekit.models import EASE, SANSA
from beekit.models.base import Request
from beekit.models.linear.factor_scores import recommend_by_factors
from beekit.split import published_split

parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("data", type=Path)
parser.add_argument("--density", type=float, default=0.05)
parser.add_argument("--regularization", type=float, default=500.0)
parser.add_argument("--package-regularization", type=float, help="10 if incomplete, else the same")
parser.add_argument("--factorisation", choices=("incomplete", "exact"), default="incomplete")
parser.add_argument("--residual-steps", type=int, default=0)
parser.add_argument("--min-value", type=float)
parser.add_argument("--users", type=int, default=1000, help="held out, of a dataset folder")
parser.add_argument("--ease", action="store_true", help="EASE too, which SANSA approximates")
options = parser.parse_args()

METRICS = ("recall@20", "ndcg@20", "ndcg@100")


class Package:
    """The package's weights, ranked by beekit, so that fits alone are compared."""

    scores_cold_items = False

    def fit(self, X):
        import sansa

        incomplete = options.factorisation == "incomplete"
        regularization = options.package_regularization
        if regularization is None:
            regularization = 10.0 if incomplete else options.regularization
        factoriser = (
            sansa.ICFGramianFactorizerConfig if incomplete else sansa.CHOLMODGramianFactorizerConfig
        )
        inverter = sansa.UMRUnitLowerTriangleInverterConfig(scans=1, finetune_steps=5)
        model = sansa.SANSA(
            sansa.SANSAConfig(regularization, options.density, factoriser(), inverter)
        )
        model.fit(sp.csr_matrix(X))
        self.encoder, self.decoder = (sp.csr_array(weights) for weights in model.weights)
        return self

    def recommend(self, X, k, candidates=None, exclude_seen=True):
        asked = Request(ones(X), k, candidates, exclude_seen)
        return recommend_by_factors(self.encoder, self.decoder, asked)


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if (options.data / "train.parquet").is_file():
    tables = [pq.read_table(options.data / f"{part}.parquet") for part in ("train", "test")]
    columns = [[table[name].to_numpy() for table in tables] for name in ("user_id", "item_id")]
    together = Interactions.from_arrays(*([v for part in c for v in part] for c in columns))
    test = Interactions.from_arrays(*(column[1] for column in columns))
    split = published_split(together, test)
else:
    dataset = Dataset.load(options.data, min_value=options.min_value)
    split = user_split(dataset.interactions, users=options.users, validation_users=0)
X = split.train
print(f"{X.shape[0]:,} users, {X.shape[1]:,} items, {X.nnz:,} interactions; {peak_gb():.1f} GB")

ours = SANSA(options.regularization, options.density, options.factorisation, options.residual_steps)
models = {"beekit": ours}
if options.ease:
    models["EASE"] = EASE(options.regularization)
if find_spec("sansa"):
    logging.getLogger("sansa").setLevel(logging.ERROR)
    Package().fit(X[:500, :300])
    models["sansa"] = Package()
else:
    print("The package sansa is not installed: beekit alone.")

seconds = {}
for name, model in models.items():
    started, used = time.perf_counter(), time.process_time()
    model.fit(X)
    seconds[name] = time.perf_counter() - started, time.process_time() - used
    found = evaluate(model, split.test, metrics=METRICS, intervals=False).metrics
    stored = [model.encoder, model.decoder] if name != "EASE" else [model.item_item]
    density = max(getattr(part, "nnz", part.size) for part in stored) / X.shape[1] ** 2
    scores = ", ".join(f"{metric} {value['value']:.4f}" for metric, value in found.items())
    fit = f"{seconds[name][0]:.1f} s ({seconds[name][1]:.1f} s of processor)"
    print(f"{name}: fit {fit}, density {density:.4f}, {scores}; {peak_gb():.1f} GB", flush=True)
if "sansa" in seconds:
    wall, processor = (s / b for s, b in zip(seconds["sansa"], seconds["beekit"], strict=True))
    print(f"sansa / beekit: {wall:.1f} times the seconds, {processor:.1f} times the processor")
