"""H&M Personalized Fashion Recommendations as a dataset folder.

    beekit prepare hm OUT --raw FOLDER_OR_ZIP [--no-images]

The data need a login: download them from the competition's page on Kaggle, and give the archive or
the folder with its content. An interaction is a purchase; users with fewer than 5 articles are left
out. If a customer buys an article several times, the first purchase counts. Items have title, the
publisher's attributes and description; the column `image` names the photo. If a folder is given,
OUT/images is a link to its images/; from an archive, the photos of the items are unpacked.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from beekit.prepare.build import RawDataset
from beekit.prepare.command import Options
from beekit.prepare.pictures import HeldPictures
from beekit.prepare.ratings import Layout, RatingLines
from beekit.prepare.raw import RawFile
from beekit.prepare.records import Records, csv_rows

PURCHASES = Layout(
    user="customer_id", item="article_id", timestamp="t_dat", time="date", integer_ids=False
)
FIELDS = {
    "item_id": "article_id",
    "title": "prod_name",
    "product_type": "product_type_name",
    "product_group": "product_group_name",
    "appearance": "graphical_appearance_name",
    "colour": "colour_group_name",
    "department": "department_name",
    "index": "index_name",
    "section": "section_name",
    "garment_group": "garment_group_name",
    "description": "detail_desc",
}
ARTICLES = pa.schema([(name, pa.string()) for name in FIELDS])


def article(record: Mapping[str, str]) -> dict[str, str]:
    return {name: record[column] for name, column in FIELDS.items()}


def photo(article_id: str) -> str:
    return f"{article_id[:3]}/{article_id}.jpg"


def prepare(options: Options) -> RawDataset:
    given, limit = options.raw, options.max_malformed
    names = ("articles.csv", "transactions_train.csv")
    if given.is_dir():
        articles, purchases = (RawFile.local(given / name) for name in names)
        members: tuple[str | None, ...] = (None, None)
    else:
        articles = purchases = RawFile.local(given)
        members = names
    return RawDataset(
        options.public,
        items=Records(articles, csv_rows(), article, ARTICLES, member=members[0], limit=limit),
        interactions=RatingLines(purchases, PURCHASES, member=members[1], limit=limit),
        item_names=("item_id", "article_id"),
        pictures=HeldPictures(given, photo) if options.images else None,
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--raw", type=Path, required=True, help="the archive or folder")
    without = "leave out the photos"
    parser.add_argument("--no-images", dest="images", action="store_false", help=without)
