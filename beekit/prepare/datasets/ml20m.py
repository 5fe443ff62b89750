"""MovieLens 20M as a dataset folder.

    beekit prepare ml20m OUT [--items FILE]

As in the beeFormer paper, an interaction is a rating of 4 or more, and users with fewer than 5
items are left out. The counts are compared with those of Mult-VAE (Liang et al., 2018), which
states 20,108 items because it counts only those of training users; there are 20,720 in all.
beeFormer also leaves out items that a language model did not describe. Give the list of the others
by --items; the file of descriptions that was published with the paper can be used.
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
