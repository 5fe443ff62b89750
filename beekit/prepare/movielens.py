"""Reading MovieLens datasets: an archive with two tables, with its MD5 in a file beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from beekit.prepare.build import RawDataset
from beekit.prepare.command import Options
from beekit.prepare.ratings import Layout, RatingLines
from beekit.prepare.records import Form, Records

FILMS = pa.schema(
    {"item_id": pa.int64(), "title": pa.string(), "year": pa.int32(), "genres": pa.string()}
)


def read_movielens(
    options: Options, name: str, suffix: str, films: Form, ratings: Layout
) -> RawDataset:
    """The tables `movies` and `ratings` in the archive `name`.zip."""
    archive = options.fetch(f"{name}.zip", md5_beside=True)
    movies, limit = f"{name}/movies{suffix}", options.max_malformed
    return RawDataset(
        options.public,
        items=Records(archive, films, film, FILMS, member=movies, limit=limit),
        interactions=RatingLines(archive, ratings, member=f"{name}/ratings{suffix}", limit=limit),
        item_names=("item_id", "movieId"),
    )


def film(record: Mapping[str, str]) -> dict[str, Any]:
    """A row of FILMS from a record of movieId, title and genres.

    "Toy Story (1995)" becomes a title and a year, "Animation|Comedy" becomes "Animation, Comedy".
    """
    title, genres = record["title"].strip(), record["genres"].strip()
    named = re.fullmatch(r"(.*\S)\s*\((\d{4})\)", title)
    return {
        "item_id": int(record["movieId"]),
        "title": named[1] if named else title,
        "year": int(named[2]) if named else None,
        "genres": "" if genres == "(no genres listed)" else genres.replace("|", ", "),
    }
