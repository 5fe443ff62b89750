"""MovieLens 20M as a dataset folder.

    python data_prep/ml20m.py OUT [--items FILE]

As in the beeFormer paper, an interaction is a rating of 4 or more, and users have at least 5. Those
are the counts of Mult-VAE (Liang et al., 2018); 20,108 items there are those of its training users,
20,720 all. beeFormer then leaves out items that a language model did not describe: --items takes
the list, for which the file of descriptions published with the paper will do.
"""

from beekit.prepare.build import build
from beekit.prepare.movielens import CITATION, FILMS, LICENCE, film
from beekit.prepare.ratings import Layout, RatingLines
from beekit.prepare.records import Records, csv_rows
from beekit.prepare.script import arguments, main
from beekit.prepare.source import Published, Source

SOURCE = Source(
    name="MovieLens 20M",
    homepage="https://grouplens.org/datasets/movielens/20m/",
    licence=LICENCE,
    citation=CITATION,
    published=(
        Published("GroupLens, README of ml-20m", rows=20_000_263),
        Published(
            "Liang et al. 2018, Mult-VAE; items as in Shenbin et al. 2020, RecVAE",
            users=136_677,
            items=20_720,
            interactions=9_990_682,
            min_value=4.0,
            user_min_support=5,
            note="those are of all films",
        ),
        Published(
            "Vančura et al. 2024, beeFormer",
            users=136_589,
            items=16_902,
            interactions=9_694_668,
            min_value=4.0,
            user_min_support=5,
            listed=True,
            note="those are of the films with a description: --items restricts to a list",
        ),
    ),
)
RATINGS = Layout(user="userId", item="movieId", value="rating", timestamp="timestamp")


def prepare(options):
    archive = options.fetch("ml-20m.zip", md5_beside=True)
    limit = options.max_malformed
    return build(
        options.out,
        SOURCE,
        [archive],
        items=Records(archive, csv_rows(), film, FILMS, member="ml-20m/movies.csv", limit=limit),
        interactions=RatingLines(archive, RATINGS, member="ml-20m/ratings.csv", limit=limit),
        filters=options.filters,
        item_list=options.items,
        item_names=("item_id", "movieId"),
    )


if __name__ == "__main__":
    base = "https://files.grouplens.org/datasets/movielens"
    raise SystemExit(main(prepare, arguments(__doc__, url=base, min_value=4.0)))
