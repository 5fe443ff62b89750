"""Every command and snippet of the documentation, run as a reader would run it.

Each page gets a folder of its own in which the names that it uses mean something: `DIR`, `ml1m` and
`shop` are small datasets, `ENCODER` and the models of the Hub tiny encoders. A block whose
introduction ends with a file name in backticks is that file.
"""

from __future__ import annotations

import csv
import io
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from beekit.cli import _parser, main
from beekit.quickstart import build_image_encoder, make_shop
from beekit.run.config import make_config

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("*/README.md"))]
# Run by continuous integration, or by a person at a keyboard.
BY_OTHERS = (
    *("python3 -m venv", ".venv/bin/pip", ".venv/bin/pytest", "hf auth login"),
    "beekit quickstart",  # tests/quickstart
    "beekit prepare ml20m",  # tests/prepare, with a server for the publisher's
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language and text, and the file it is to be saved as."""

    language: str
    text: str
    file: str | None


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(r"```(\w+)\n(.*?)```", text, re.S):
        before = text[: found.start()].rstrip().rsplit("\n\n", 1)[-1]
        named = re.search(r"[Ss]ave this as\s+`([\w.]+)`", before)
        yield Block(found[1], found[2], named[1] if named else None)


def commands(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield from (part.strip() for part in line.split("&&"))


def dataset(folder: Path) -> None:
    """The quickstart's shop with ids of a film catalogue and more columns."""
    shop = make_shop(series=8, customers=200, seed=1)
    shop.save(folder)
    items = pq.read_table(folder / "items.parquet")
    # 1, 48 and 260 are ids that the pages ask about.
    ids = np.array([*range(1, len(items)), 260])
    renamed = dict(zip(items["item_id"].to_pylist(), ids.tolist(), strict=True))
    texts = items["text"]
    more = dict.fromkeys(("title", "plot_short", "authors", "tags"), texts)
    for name, column in {"item_id": pa.array(ids), **more}.items():
        place = items.column_names.index(name) if name in items.column_names else None
        items = (
            items.append_column(name, column)
            if place is None
            else items.set_column(place, name, column)
        )
    pq.write_table(items, folder / "items.parquet")
    rows = pq.read_table(folder / "interactions.parquet").to_pydict()
    pq.write_table(
        pa.table(
            {
                "user_id": rows["user_id"],
                "item_id": [renamed[item] for item in rows["item_id"]],
                "value": [5] * len(rows["item_id"]),
                "timestamp": list(range(len(rows["item_id"]))),
            }
        ),
        folder / "interactions.parquet",
    )


def grown(text: str, table: str) -> str:
    """The table of a page, and as many rows again as an encoder needs to learn something."""
    rows = list(csv.reader(io.StringIO(text)))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows(rows)
    generator = np.random.default_rng(0)
    if table == "items":
        writer.writerows([f"P-{i}", f"Laser printer {i}", "printer"] for i in range(101, 160))
    else:
        for user in range(80):
            for item in generator.choice(59, size=6, replace=False):
                writer.writerow([f"user-{user}", f"P-{101 + item}", 1, 1732800000 + user])
    return out.getvalue()


@pytest.fixture(scope="module")
def encoders(encoder_folder, tmp_path_factory) -> dict[str, Path]:
    pictures = tmp_path_factory.mktemp("vision") / "encoder"
    build_image_encoder(dims=32, layers=1).save(str(pictures))
    names = ("ENCODER", "sentence-transformers/all-MiniLM-L6-v2")
    return {**dict.fromkeys(names, encoder_folder), "facebook/dinov2-small": pictures}


@pytest.fixture
def world(encoders, tmp_path, monkeypatch) -> Path:
    """A folder in which the names of the pages mean something; the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    dataset(tmp_path / "DIR")
    for name in ("ml1m", "goodbooks"):
        shutil.copytree(tmp_path / "DIR", tmp_path / name)
    for name, folder in encoders.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(folder, target_is_directory=True)
    (tmp_path / "CARD.yaml").write_text("license: mit\n")
    return tmp_path


def run(command: str) -> None:
    """A command of beekit, as the shell would start it."""
    try:
        code = main(shlex.split(command)[1:])
    except SystemExit as ended:  # of options that print and end
        code = ended.code or 0
    assert code == 0, command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_does_what_it_says(page, world, request, monkeypatch):
    if any(f"{name} " in page.read_text() for name in ("beekit push", "beekit pull")):
        request.getfixturevalue("hub")
    if "beekit describe" in page.read_text():
        url = request.getfixturevalue("chat")
    (world / "shop").mkdir(exist_ok=True)
    if page.parent.name != "data_prep":
        (world / "shop").rmdir()
        (world / "shop").symlink_to("DIR", target_is_directory=True)
    if page.parent.name in ("eval", "beekit", "hub_cards"):  # pages that begin with a run
        train = "beekit train ml1m data=DIR encoder=ENCODER out=RUN training.max_steps=2"
        run(f"{train} evaluation.metrics=[calibrated_recall@20]")
    told = list(blocks(page))
    for block in told:  # files first: one may name another
        if block.file:
            (world / block.file).write_text(block.text)
    for block in told:
        if block.language == "python":
            exec(compile(block.text, str(page), "exec"), {"__name__": "__main__"})
        elif block.language == "csv":
            table = "interactions" if block.text.startswith("user_id") else "items"
            (world / "shop" / f"{table}.csv").write_text(grown(block.text, table))
        elif block.language == "yaml" and not block.file:
            given = {"out": "RUN-OF-A-SNIPPET", "encoder": "ENCODER", "text": "{title}"}
            assert make_config({**given, **yaml.safe_load(block.text)}).datasets()
        elif block.language == "console":
            for command in commands(block.text):
                command = command.removeprefix(".venv/bin/").replace("user/", "bee/")
                if command.startswith("pip ") or any(
                    command.startswith(start.removeprefix(".venv/bin/")) for start in BY_OTHERS
                ):
                    if command.startswith("beekit"):
                        _parser().parse_args(shlex.split(command)[1:])
                    continue
                assert command.startswith("beekit "), command
                if "localhost:8000" in command:
                    command = command.replace("http://localhost:8000/v1", url)
                run(command)
        else:
            assert block.file or block.language == "yaml", f"{block.language} that nothing runs"


@pytest.fixture
def chat(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tests" / "describe")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    from mock_chat_server import ChatServer, Say

    with ChatServer(lambda *_: Say("It prints what others only promise to print.")) as server:
        yield server.url


def test_links_lead_somewhere():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        anchors = {
            re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")
            for title in re.findall(r"^#+ (.*)$", text, re.M)
        }
        for target in re.findall(r"\]\(([^)]+)\)", text):
            if "://" in target:
                continue
            place, _, anchor = target.partition("#")
            file = (page.parent / place).resolve() if place else page
            assert file.exists(), f"{page}: {target}"
            if anchor and file == page:
                assert anchor in anchors, f"{page}: #{anchor}"


def test_the_front_door_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
