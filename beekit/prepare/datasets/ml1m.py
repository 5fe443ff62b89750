"""MovieLens 1M as a dataset folder.

    beekit prepare ml1m OUT [--min-value 4] [--user-min-support 5]

The number of rows is compared with the README of the dataset, which counts 1,000,209 ratings.
"""

from __future__ import annotations

from beekit.prepare.build import RawDataset
from beekit.prepare.command import Options
from beekit.prepare.movielens import read_movielens
from beekit.prepare.ratings import Layout
from beekit.prepare.records import separated

COLUMNS = ("user", "film", "rating", "time")
RATINGS = Layout(*COLUMNS, columns=COLUMNS, separator="::")
FILMS = separated("movieId", "title", "genres", separator="::", encoding="latin-1")


def prepare(options: Options) -> RawDataset:
    return read_movielens(options, "ml-1m", ".dat", FILMS, RATINGS)
