"""Seconds and peak memory of preparing ML-20M-shaped ratings.

    python eval/benchmark_prepare.py [--rows 20_000_000] [--folder DIR]

Makes an archive like GroupLens' (about 140,000 users of at least 20 ratings and 27,278 films, both
skewed, half-star ratings in order of users), then prepares it with
data_prep/ml20m.py in a process of its own. Nothing is downloaded.

On two cores, busy with other work besides: 20 million rows in 11 to 15 s with a peak of 580 MB, 60
million in 25 s with 605 MB.
"""

from __future__ import annotations

import argparse
import resource
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
SCRIPT = Path(__file__).parent.parent / "data_prep" / "ml20m.py"


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


parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("--rows", type=int, default=20_000_000)
parser.add_argument("--folder", type=Path, help="where to work; a temporary folder without it")
options = parser.parse_args()

with TemporaryDirectory(dir=options.folder) as folder:
    raw = Path(folder) / "raw"
    raw.mkdir()
    make_archive(raw / "ml-20m.zip", options.rows)
    print(f"archive of {options.rows:,} rows: {(raw / 'ml-20m.zip').stat().st_size / 1e6:,.0f} MB")
    command = [sys.executable, str(SCRIPT), f"{folder}/ml20m", "--cache", str(raw)]
    started = time.perf_counter()
    subprocess.run(command, check=True)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{options.rows:,} rows in {seconds:.1f} s, peak {peak:,.0f} MB, process start included")
