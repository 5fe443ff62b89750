"""Amazon Books of 2018 or 2014 as a dataset folder.

    beekit prepare amazon_books OUT [--year 2018] [--items FILE] [--images]

The beeFormer paper takes the release of 2018: ratings of 4 or more, users with at least 5 of the
items that have a description by a language model. --items takes the list of these, for which the
file of descriptions published with the paper will do; without it items are those with a title.
Items have title, description, categories, brand (of 2018 also the author) and `image_url`; with
--images the pictures are fetched, and `image` names them.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from beekit.prepare.amazon import LICENCE, as_text, first_link
from beekit.prepare.build import RawDataset
from beekit.prepare.command import Options, Recipe
from beekit.prepare.pictures import LinkedPictures
from beekit.prepare.published import PublicDataset, Published
from beekit.prepare.ratings import Layout, RatingLines
from beekit.prepare.records import Records, json_lines, python_lines

BASE = {
    2018: "https://mcauleylab.ucsd.edu/public_datasets/data/amazon_v2",
    2014: "https://snap.stanford.edu/data/amazon/productGraph/categoryFiles",
}
PUBLIC = {
    2018: PublicDataset(
        name="Amazon Books 2018",
        homepage="https://nijianmo.github.io/amazon/",
        licence=LICENCE,
        citation="Jianmo Ni, Jiacheng Li, and Julian McAuley. 2019. Justifying Recommendations "
        "using Distantly-Labeled Reviews and Fine-Grained Aspects. EMNLP-IJCNLP 2019.",
        published=(
            Published("Ni et al., page of the dataset: Books, ratings only", rows=51_311_621),
            Published(
                "Vančura et al. 2024, beeFormer",
                users=634_964,
                items=63_305,
                interactions=8_290_500,
                min_value=4.0,
                user_min_support=5,
                listed=True,
                note="those are of the books with a description: --items restricts to a list "
                "(of which books without a title in the metadata are left out here)",
            ),
        ),
    ),
    2014: PublicDataset(
        name="Amazon Books 2014",
        homepage="https://jmcauley.ucsd.edu/data/amazon/index_2014.html",
        licence=LICENCE,
        citation="Julian McAuley, Christopher Targett, Qinfeng Shi, and Anton van den Hengel. "
        "2015. Image-Based Recommendations on Styles and Substitutes. SIGIR 2015.",
        published=(
            Published("McAuley et al., page of the dataset: Books, ratings only", rows=22_507_155),
        ),
    ),
}
# Neither file of ratings has a header, and they differ in what comes first.
ORDER = {
    2018: ("item", "user", "rating", "time"),
    2014: ("user", "item", "rating", "time"),
}
COLUMNS = ("item_id", "title", "description", "categories", "brand", "image_url")
BOOKS = pa.schema([(name, pa.string()) for name in COLUMNS])


def book(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "item_id": record["asin"],
        "title": as_text(record.get("title")),
        "description": as_text(record.get("description")),
        "categories": as_text(record.get("categories") or record.get("category"), ", "),
        "brand": as_text(record.get("brand")),
        "image_url": first_link(
            record.get("imageURLHighRes"), record.get("imageURL"), record.get("imUrl")
        ),
    }


def prepare(options: Options) -> RawDataset:
    year, limit = options.year, options.max_malformed
    options.url = options.url or BASE[year]
    options.cache = options.cache / str(year)
    if year == 2018:
        meta = options.fetch("metaFiles2/meta_Books.json.gz")
        ratings = options.fetch("categoryFilesSmall/Books.csv")
    else:
        meta = options.fetch("meta_Books.json.gz")
        ratings = options.fetch("ratings_Books.csv")
    layout = Layout("user", "item", "rating", "time", integer_ids=False, columns=ORDER[year])
    form = json_lines if year == 2018 else python_lines
    return RawDataset(
        PUBLIC[year],
        items=Records(meta, form, book, BOOKS, limit=limit),
        interactions=RatingLines(ratings, layout, limit=limit),
        item_names=("item_id", "asin"),
        pictures=LinkedPictures(options.cache / "images") if options.images else None,
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(url=None)
    parser.add_argument("--year", type=int, choices=(2018, 2014), default=2018)
    parser.add_argument("--images", action="store_true", help="fetch the pictures")


RECIPE = Recipe(prepare, url=" or ".join(BASE.values()), min_value=4.0, add_arguments=add_arguments)
