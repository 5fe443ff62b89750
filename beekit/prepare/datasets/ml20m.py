"""MovieLens 20M as a dataset folder.

    beekit prepare ml20m OUT [--items FILE]

As in the beeFormer paper, an interaction is a rating of 4 or more, and users have at least 5. Those
are the counts of Mult-VAE (Liang et al., 2018); 20,108 items there are those of its training users,
20,720 all. beeFormer then leaves out items that a language model did not describe: --items takes
the list, for which the file of descriptions published with the paper will do.
"""

from __future__ import annotations

from beekit.prepare.build import RawDataset
from beekit.prepare.command import Options
from beekit.prepare.movielens import read_movielens
from beekit.prepare.ratings import Layout
from beekit.prepare.records import csv_rows

RATINGS = Layout("userId", "movieId", "rating", "timestamp")


def prepare(options: Options) -> RawDataset:
    return read_movielens(options, "ml-20m", ".csv", csv_rows(), RATINGS)
