"""CiteULike-a as a dataset folder.

    beekit prepare citeulike_a OUT

An interaction is an article in a user's library; there are no values and no timestamps. Item ids
are those of users.dat, which numbers articles from 0; raw-data.csv numbers them from 1. User ids
are line numbers, from 0. Items have title and abstract. The README of the dataset counts 204,987
pairs of user and item, papers count 204,986.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from beekit.prepare.build import RawDataset
from beekit.prepare.command import Options
from beekit.prepare.records import Records, csv_rows
from beekit.prepare.user_lines import UserLines

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
        options.public,
        items=Records(articles, csv_rows("latin-1"), article, ARTICLES, limit=limit),
        interactions=UserLines(users, limit=limit),
    )
