"""CiteULike-a as a dataset folder.

    beekit prepare citeulike_a OUT

An interaction is an article in a user's library; there are neither values nor timestamps. Item ids
are those of users.dat, which counts articles from 0, while raw-data.csv counts them from 1. Users
are numbered by their lines, from 0. Items have title and abstract. The README of the dataset counts
204,987 pairs, the papers 204,986.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from beekit.prepare.build import RawDataset
from beekit.prepare.command import Options, Recipe
from beekit.prepare.published import PublicDataset, Published
from beekit.prepare.records import Records, csv_rows
from beekit.prepare.user_lines import UserLines

PUBLIC = PublicDataset(
    name="CiteULike-a",
    homepage="https://github.com/js05212/citeulike-a",
    licence="none stated by the publisher",
    citation="Hao Wang, Binyi Chen, and Wu-Jun Li. 2013. Collaborative Topic Regression with "
    "Social Regularization for Tag Recommendation. IJCAI 2013.",
    published=(
        Published(
            "README of citeulike-a",
            users=5_551,
            items=16_980,
            interactions=204_987,
            user_min_support=5,
        ),
        Published(
            "Wang and Blei 2011, KDD",
            users=5_551,
            items=16_980,
            interactions=204_986,
            user_min_support=5,
        ),
    ),
)
ARTICLES = pa.schema({"item_id": pa.int64(), "title": pa.string(), "abstract": pa.string()})


def article(record: Mapping[str, str]) -> dict[str, Any]:
    return {
        "item_id": int(record["doc.id"]) - 1,
        "title": " ".join((record["raw.title"] or record["title"]).split()),
        "abstract": " ".join(record["raw.abstract"].split()),
    }


def prepare(options: Options) -> RawDataset:
    articles, users = options.fetch("raw-data.csv"), options.fetch("users.dat")
    limit = options.max_malformed
    return RawDataset(
        PUBLIC,
        items=Records(articles, csv_rows("latin-1"), article, ARTICLES, limit=limit),
        interactions=UserLines(users, limit=limit),
    )


RECIPE = Recipe(prepare, url="https://raw.githubusercontent.com/js05212/citeulike-a/master")
