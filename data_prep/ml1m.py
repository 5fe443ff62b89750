"""MovieLens 1M as a dataset folder.

    python data_prep/ml1m.py OUT [--min-value 4] [--user-min-support 5]

The rows are compared with the README of the dataset, which counts 1,000,209 ratings.
"""

from beekit.prepare.build import build
from beekit.prepare.movielens import CITATION, FILMS, LICENCE, film
from beekit.prepare.ratings import Layout, RatingLines
from beekit.prepare.records import Records, separated
from beekit.prepare.script import arguments, main
from beekit.prepare.source import Published, Source

SOURCE = Source(
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


def prepare(options):
    archive = options.fetch("ml-1m.zip", md5_beside=True)
    limit = options.max_malformed
    films = separated("movieId", "title", "genres", separator="::", encoding="latin-1")
    return build(
        options.out,
        SOURCE,
        [archive],
        items=Records(archive, films, film, FILMS, member="ml-1m/movies.dat", limit=limit),
        interactions=RatingLines(archive, RATINGS, member="ml-1m/ratings.dat", limit=limit),
        filters=options.filters,
        item_list=options.items,
        item_names=("item_id", "movieId"),
    )


if __name__ == "__main__":
    base = "https://files.grouplens.org/datasets/movielens"
    raise SystemExit(main(prepare, arguments(__doc__, url=base, min_value=4.0)))
