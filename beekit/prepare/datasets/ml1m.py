"""MovieLens 1M as a dataset folder.

    beekit prepare ml1m OUT [--min-value 4] [--user-min-support 5]

The rows are compared with the README of the dataset, which counts 1,000,209 ratings.
"""

from __future__ import annotations

from beekit.prepare.build import RawDataset
from beekit.prepare.command import Options, Recipe
from beekit.prepare.movielens import CITATION, LICENCE, URL, read_movielens
from beekit.prepare.published import PublicDataset, Published
from beekit.prepare.ratings import Layout
from beekit.prepare.records import separated

PUBLIC = PublicDataset(
    name="MovieLens 1M",
    homepage="https://grouplens.org/datasets/movielens/1m/",
    licence=LICENCE,
    citation=CITATION,
    published=(Published("GroupLens, README of ml-1m", rows=1_000_209),),
)
RATINGS = Layout(
    user="user",
    item="film",
    value="rating",
    timestamp="time",
    columns=("user", "film", "rating", "time"),
    separator="::",
)
FILMS = separated("movieId", "title", "genres", separator="::", encoding="latin-1")


def prepare(options: Options) -> RawDataset:
    return read_movielens(options, PUBLIC, "ml-1m", ".dat", FILMS, RATINGS)


RECIPE = Recipe(prepare, url=URL, min_value=4.0)
