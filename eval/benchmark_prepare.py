"""Seconds and peak memory of preparing ratings shaped like ML-20M's or Amazon Books'.

    python eval/benchmark_prepare.py [--rows 20_000_000] [--text-items 2_900_000] [--folder DIR]

Makes an archive like GroupLens' (about 140,000 users of at least 20 ratings and 27,278 films, both
skewed, half-star ratings in order of users), then prepares it with
data_prep/ml20m.py in a process of its own. With --text-items it makes files like those of Amazon
Books 2018, with as many books and ids of text, for data_prep/amazon_books.py. Nothing is
downloaded.

On two cores: 20 million rows in 7.7 s with a peak of 620 MB, 60 million in 19.8 s with 629 MB; busy
with other work besides, 20 million rows of 2.9 million books in 87 s with 925 MB.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

FILMS = 27_278
USERS_AT_A_TIME = 5_000
STARS = np.arange(1, 11) / 2
SHARES = [0.012, 0.034, 0.014, 0.071, 0.044, 0.214, 0.11, 0.278, 0.077, 0.146]
SCRIPTS = Path(__file__).parent.parent / "data_prep"
# VmHWM is of the process alone; what getrusage says it has from the one that started it.
MEASURED = """
import re, runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    status = open("/proc/self/status").read()
    print("peak", int(re.search("VmHWM:(.*) kB", status)[1]) // 1024, "MB")
"""


def make_archive(path: Path, rows: int) -> None:
    generator = np.random.default_rng(20)
    popularity = np.cumsum(1.0 / (np.arange(FILMS) + 30.0) ** 1.1)
    popularity /= popularity[-1]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("ml-20m/movies.csv", "w") as file:
            file.write(b"movieId,title,genres\n")
            for film in range(FILMS):
                file.write(f'{film},"Film, The {film} ({1930 + film % 85})",Drama\n'.encode())
        with archive.open("ml-20m/ratings.csv", "w", force_zip64=True) as file:
            file.write(b"userId,movieId,rating,timestamp\n")
            written, first = 0, 1
            while written < rows:
                activity = generator.lognormal(4.45, 1.0, size=USERS_AT_A_TIME).clip(20, 9254)
                user = np.repeat(np.arange(USERS_AT_A_TIME), activity.astype(np.int64))
                film = np.searchsorted(popularity, generator.random(len(user)))
                pairs = np.unique(user * FILMS + film)[: rows - written]
                table = pa.table(
                    {
                        "user": pairs // FILMS + first,
                        "film": pairs % FILMS,
                        "rating": generator.choice(STARS, size=len(pairs), p=SHARES),
                        "time": generator.integers(789_652_009, 1_427_784_002, size=len(pairs)),
                    }
                )
                pacsv.write_csv(table, file, pacsv.WriteOptions(include_header=False))
                written += len(pairs)
                first += USERS_AT_A_TIME


def make_books(folder: Path, rows: int, books: int) -> None:
    generator = np.random.default_rng(20)
    with gzip.open(folder / "meta_Books.json.gz", "wt", compresslevel=1) as file:
        for book in range(books):
            file.write(json.dumps({"asin": f"{book:09d}X", "title": f"Book {book}"}) + "\n")
    with (folder / "Books.csv").open("wb") as file:
        for begin in range(0, rows, 1_000_000):
            count = min(1_000_000, rows - begin)
            book = (books * generator.random(count) ** 3).astype(np.int64)
            user = (rows // 4 * generator.random(count) ** 2).astype(np.int64)
            table = pa.table(
                {
                    "item": np.char.mod("%09dX", book),
                    "user": np.char.mod("A%013d", user),
                    "rating": generator.choice([1.0, 3.0, 4.0, 5.0], size=count),
                    "time": generator.integers(789_652_009, 1_427_784_002, size=count),
                }
            )
            pacsv.write_csv(
                table, file, pacsv.WriteOptions(include_header=False, quoting_style="none")
            )


parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("--rows", type=int, default=20_000_000)
parser.add_argument("--text-items", type=int, help="books, with ids of text, in place of films")
parser.add_argument("--folder", type=Path, help="where to work; a temporary folder without it")
options = parser.parse_args()

with TemporaryDirectory(dir=options.folder) as folder:
    raw = Path(folder) / "raw"
    if options.text_items:
        (raw / "2018").mkdir(parents=True)
        make_books(raw / "2018", options.rows, options.text_items)
        script = "amazon_books.py"
    else:
        raw.mkdir()
        make_archive(raw / "ml-20m.zip", options.rows)
        script = "ml20m.py"
    size = sum(file.stat().st_size for file in raw.rglob("*") if file.is_file())
    print(f"raw files of {options.rows:,} rows: {size / 1e6:,.0f} MB", flush=True)
    command = [sys.executable, "-c", MEASURED, SCRIPTS / script, f"{folder}/out", "--cache", raw]
    started = time.perf_counter()
    subprocess.run(command, check=True)
    seconds = time.perf_counter() - started
    print(f"{options.rows:,} rows in {seconds:.1f} s, process start included")
