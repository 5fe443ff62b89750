"""MovieLens 20M as a dataset folder.

    beekit prepare ml20m OUT [--items FILE]

As in the beeFormer paper, an interaction is a rating of 4 or more, and users have at least 5. Those
are the counts of Mult-VAE (Liang et al., 2018); 20,108 items there are those of its training users,
20,720 all. beeFormer then leaves out items that a language model did not describe: --items takes
the list, for which the file of descriptions published with the paper will do.
"""

from __future__ import annotations

from beekit.prepare.build import RawDataset
from beekit.prepare.command import Options, Recipe
from beekit.prepare.movielens import CITATION, LICENCE, URL, read_movielens
from beekit.prepare.published import PublicDataset, Published
from beekit.prepare.ratings import Layout
from beekit.prepare.records import csv_rows

PUBLIC = PublicDataset(
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


def prepare(options: Options) -> RawDataset:
    return read_movielens(options, PUBLIC, "ml-20m", ".csv", csv_rows(), RATINGS)


RECIPE = Recipe(prepare, url=URL, min_value=4.0)
