"""A valid dataset folder and configurations, random harm to them, and a reader of its own."""

from __future__ import annotations

import codecs
import csv
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

Table = dict[str, list[Any]]
Random = random.Random

ODD_NUMBERS = [0, -1, 2.5, float("nan"), float("inf"), 10**12, None, True]
ODD_IDS = [
    *("", " ", " 7", "007", "1.0", "²", "naïve", "日本", "a,b", 'say "x"', "a\nb", "x" * 5000),
    *("\u2028", "back\\slash", "99999999999999999999", "-1", "\x1f", "<b>", "..", "'; --", "a\rb"),
]
ODD_VALUES = [
    *(-1, 0, 1, 3, 2.5, 1e308, -1e308, 10**30, float("nan"), float("inf"), "", "x", "²", "1e400"),
    *(None, True, False, [], [1], {}, {"a": 1}, {"a": {"b": []}}, [[]], "{title}", "{", "\n", "0"),
]
COMMON = {
    "data": "data",
    "out": "run",
    "text": "{title}",
    "split": {"kind": "cold_start", "fraction": 0.25, "seed": 1},
    "evaluation": {"metrics": ["recall@5", "ndcg@5"], "top_k": 10},
}
CONFIGS: dict[str, dict[str, Any]] = {
    "evaluate": {
        **COMMON,
        "models": {"popularity": None, "EASE": {"regularization": 10}},
    },
    "train": {
        **COMMON,
        "encoder": "encoder",
        "training": {
            "users_per_step": 8,
            "items_per_step": 8,
            "learning_rate": 1e-3,
            "max_steps": 1,
            "use_cpu": True,
        },
    },
}
# Options that a dataset may need, and values they have.
POLICIES: dict[str, list[Any]] = {
    "min_value": [1, 2, 4, 0, 2.5, -1],
    "user_min_support": [1, 2, 5],
    "item_min_support": [1, 2, 5],
    "unknown_items": ["drop", "drop", "error"],
    "missing_text": ["drop", "error"],
    "duplicates": ["merge", "error"],
}
# Keys to set to odd values; those that say how long a training lasts are never large.
KEYS = {
    "both": [
        *("data", "out", "text", "image", "note", "cache", "max_seq_length", "missing_image"),
        *("trust_remote_code", *POLICIES, "split", "evaluation", "encoder"),
        *("interactions", "items", "columns", "columns.user_id", "columns.value", "items.file"),
        *(f"split.{key}" for key in ("kind", "items", "users", "fraction", "validation", "seed")),
        *(f"split.{key}" for key in ("warm_fraction", "source_fraction", "train", "test")),
        *(f"evaluation.{key}" for key in ("metrics", "top_k", "seed")),
    ],
    "evaluate": [
        *("models", "models.EASE", "models.EASE.regularization", "models.EASE.dtype"),
        *("models.popularity", "models.x", "models.EASE.model", "models.EASE.run", "save_models"),
    ],
    "train": [
        *("training", "image_encoder", "fusion", "pooling"),
        *(
            f"training.{key}"
            for key in (
                *("users_per_step", "items_per_step", "mini_batch_tokens", "learning_rate", "seed"),
                *("weight_decay", "warmup_steps", "lr_scheduler_type", "bf16", "optim", "epochs"),
                *("logging_steps", "save_steps", "eval_steps", "eval_strategy", "save_strategy"),
                *("max_grad_norm", "metric_for_best_model", "load_best_model_at_end", "lora"),
                *("adam_epsilon", "label_names", "report_to", "hub_token", "output_dir", "fp16"),
            )
        ),
    ],
}


def write_valid(folder: Path, kind: str, draw: Random) -> None:
    """A dataset of 30 users and 20 items, as Parquet or CSV."""
    folder.mkdir()
    named = draw.random() < 0.5
    items: Table = {
        "item_id": [f"B{n:03}" if named else n for n in range(1, 21)],
        "title": [f'item "{n}", of sort {n % 4}' for n in range(20)],
    }
    events: Table = {"user_id": [], "item_id": [], "value": [], "timestamp": []}
    for user in range(30):
        for item in draw.sample(items["item_id"], draw.randint(3, 9)):
            row = (user, item, draw.randint(1, 5), draw.randint(1, 10**6))
            for column, value in zip(events.values(), row, strict=True):
                column.append(value)
    for stem, table in (("items", items), ("interactions", events)):
        write_table(folder / f"{stem}.{kind}", table)


def write_table(path: Path, table: Table) -> None:
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(table)
            writer.writerows(zip(*table.values(), strict=True))
        return
    columns = {}
    for name, column in table.items():
        try:
            columns[name] = pa.array(column)
        except (pa.ArrowException, OverflowError):  # Parquet holds no columns of several types
            columns[name] = pa.array([None if value is None else str(value) for value in column])
    pq.write_table(pa.table(columns), path)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a file, values as Python has them."""
    if path.suffix in (".csv", ".tsv"):
        wide = path.read_bytes()[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        with path.open(encoding="utf-16" if wide else "utf-8-sig", newline="") as file:
            head = file.readline()
            fitting = [sign for sign in ";\t|" if "item_id" in head.strip().split(sign)]
            file.seek(0)
            sign = "," if "," in head or not fitting else fitting[0]
            return list(csv.DictReader(file, strict=True, delimiter=sign))
    return pq.ParquetFile(path).read().to_pylist()


def as_columns(rows: list[dict[str, Any]]) -> Table:
    return {name: [row[name] for row in rows] for name in rows[0]}


def counted(folder: Path, config: dict[str, Any]) -> tuple[int, int, int]:
    """Users, used items and interactions that the files and the rules of a configuration leave.

    Raises:
        AssertionError: the files hold what no rule of the configuration allows.
    """

    def rows(stem: str) -> list[dict[str, Any]]:
        paths = [folder / f"{stem}.{kind}" for kind in ("parquet", "csv", "tsv")]
        return read_rows(next(path for path in paths if path.is_file()))

    catalog, events = rows("items"), rows("interactions")
    if config.get("duplicates") == "merge":
        catalog = [row for n, row in enumerate(catalog) if row not in catalog[:n]]
    every = {str(row["item_id"]) for row in catalog}
    assert len(every) == len(catalog), "an item twice"
    text = str(config.get("text") or "{title}")
    column = text[text.index("{") + 1 : text.index("}")]
    usable = {str(row["item_id"]) for row in catalog if _text(row[column]).strip()}
    if config.get("missing_text") != "drop":
        assert usable == every, "an item without text"
    least = config.get("min_value")
    pairs: list[tuple[str, str]] = []
    for row in events:
        user, item = str(row["user_id"]), str(row["item_id"])
        assert user, "an empty id"
        assert item, "an empty id"
        if item not in every:
            assert config.get("unknown_items") == "drop", "an unknown item"
            continue
        if item not in usable:
            continue
        if "value" in row:
            value = _number(row["value"])
            assert least is not None or (value > 0 and type(row["value"]) is not bool), "a no"
            if least is not None and not value >= least:
                continue
        pairs.append((user, item))
    if config.get("duplicates") != "merge":
        assert len(set(pairs)) == len(pairs), "a pair twice"
    left = set(pairs)
    while True:
        users = Counter(user for user, _ in left)
        items = Counter(item for _, item in left)
        still = {
            (user, item)
            for user, item in left
            if users[user] >= config.get("user_min_support", 1)
            and items[item] >= config.get("item_min_support", 1)
        }
        if still == left:
            return len(users), len(items), len(left)
        left = still


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _number(value: Any) -> float:
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return float(value.strip().lower() == "true")
    return float(value)


def _some_file(folder: Path, draw: Random) -> Path:
    return draw.choice(sorted(folder.iterdir()))


def _change_column(folder: Path, draw: Random, change: Callable[[list[Any]], list[Any]]) -> None:
    path = _some_file(folder, draw)
    table = as_columns(read_rows(path))
    name = draw.choice(list(table))
    table[name] = change(table[name])
    write_table(path, table)


def drop_column(folder: Path, draw: Random) -> None:
    path = _some_file(folder, draw)
    table = as_columns(read_rows(path))
    table.pop(draw.choice(list(table)))
    write_table(path, table)


def rename_column(folder: Path, draw: Random) -> None:
    path = _some_file(folder, draw)
    table = as_columns(read_rows(path))
    old = draw.choice(list(table))
    new = draw.choice([old.upper(), f" {old}", old[:-1], "", f"{old}.x", draw.choice(list(table))])
    write_table(path, {new if name == old else name: column for name, column in table.items()})


def repeat_column(folder: Path, draw: Random) -> None:
    path = _some_file(folder, draw)
    if path.suffix == ".csv":
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text("".join(f"1,{line}" for line in lines), encoding="utf-8")
        return
    table = pq.ParquetFile(path).read()
    name = draw.choice(table.column_names)
    pq.write_table(table.append_column(name, table.column(name)), path)


def retype_column(folder: Path, draw: Random) -> None:
    kinds: list[Callable[[Any], Any]] = [
        *(str, lambda v: f"{v}.0", lambda v: [v], lambda v: bool(len(str(v)) % 2)),
        *(lambda v: None, lambda v: float(len(str(v))), lambda v: str(v).encode()),
        lambda v: {"bytes": b"", "path": str(v)},
    ]
    kind = draw.choice(kinds)
    _change_column(folder, draw, lambda column: [kind(value) for value in column])


def odd_numbers(folder: Path, draw: Random) -> None:
    odd = draw.choice([0, -1, False, *ODD_NUMBERS])
    share = draw.choice([0.02, 0.3, 1.0])
    path = next(folder.glob("interactions.*"))
    table = as_columns(read_rows(path))
    name = draw.choice(["value", "value", "timestamp"])
    column = [odd if draw.random() < share else value for value in table.get(name, [])]
    if column:
        write_table(path, {**table, name: column})


def odd_ids(folder: Path, draw: Random) -> None:
    """Some ids become odd ones, mostly in both tables alike."""
    both = draw.random() < 0.8
    tables = {path: as_columns(read_rows(path)) for path in sorted(folder.iterdir())}
    known = sorted({str(i) for table in tables.values() for i in table.get("item_id", [])})
    new = dict(zip(draw.sample(known, min(3, len(known))), draw.sample(ODD_IDS, 3), strict=False))
    for path, table in tables.items():
        if not both and draw.random() < 0.5:
            continue
        for name in ("item_id", "user_id"):
            if name in table:
                table[name] = [new.get(str(value), str(value)) for value in table[name]]
        write_table(path, table)


def truncate(folder: Path, draw: Random) -> None:
    path = _some_file(folder, draw)
    content = path.read_bytes()
    path.write_bytes(content[: draw.randrange(len(content))])


def empty(folder: Path, draw: Random) -> None:
    path = _some_file(folder, draw)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(draw.choice([b"", b"\n", lines[0]]))


def swap(folder: Path, draw: Random) -> None:
    first, second = sorted(folder.iterdir())
    content = first.read_bytes(), second.read_bytes()
    if draw.random() < 0.5:
        first.write_bytes(content[1])
    if draw.random() < 0.8:
        second.write_bytes(content[0])


def rename_file(folder: Path, draw: Random) -> None:
    path = _some_file(folder, draw)
    other = ".csv" if path.suffix == ".parquet" else ".parquet"
    path.rename(draw.choice([path.with_suffix(other), path.with_suffix(".tsv"), folder / "x"]))


def flip_bytes(folder: Path, draw: Random) -> None:
    path = _some_file(folder, draw)
    if path.suffix != ".csv":
        return
    content = bytearray(path.read_bytes())
    for _ in range(draw.choice([1, 1, 2, 5])):
        byte = draw.choice([*b'""""\\\\,,\n\r\t;\x00 0\xff\xe9', draw.randrange(256)])
        place = draw.randrange(len(content))
        if draw.random() < 0.5:
            content[place] = byte
        else:
            content.insert(place, byte)
    path.write_bytes(bytes(content))


def open_quote(folder: Path, draw: Random) -> None:
    """A quote at the start of a field, and perhaps one at the end of another."""
    path = _some_file(folder, draw)
    if path.suffix != ".csv":
        return
    lines = path.read_bytes().split(b"\n")
    row = draw.randrange(len(lines))
    lines[row] = lines[row].replace(b",", b',"', 1)
    if draw.random() < 0.3:
        lines[draw.randrange(row, len(lines))] += b'"'
    path.write_bytes(b"\n".join(lines))


def rewrite(folder: Path, draw: Random) -> None:
    """Another dress of the same table: line ends, a mark at the start, encodings, separators."""
    path = _some_file(folder, draw)
    if path.suffix != ".csv":
        return
    content = path.read_text(encoding="utf-8")
    dressed = draw.choice(
        [
            content.replace("\n", "\r\n").encode(),
            content.replace("\n", "\r").encode(),
            content.encode("utf-8-sig"),
            content.encode("utf-16"),
            content.replace(",", ";").encode(),
            content.replace(",", "\t").encode(),
            content.replace('""', '\\"').encode(),
            content.replace("\n", ",\n").encode(),
            (content + "\n\n").encode(),
        ]
    )
    path.write_bytes(dressed)


def repeat_rows(folder: Path, draw: Random) -> None:
    path = _some_file(folder, draw)
    rows = read_rows(path)
    write_table(path, as_columns(rows + draw.choices(rows, k=draw.randint(1, 3))))


def shuffle_rows(folder: Path, draw: Random) -> None:
    path = _some_file(folder, draw)
    rows = read_rows(path)
    draw.shuffle(rows)
    write_table(path, as_columns(rows))


def drop_items(folder: Path, draw: Random) -> None:
    path = next(folder.glob("items.*"))
    write_table(path, as_columns(read_rows(path)[draw.randint(1, 5) :]))


def empty_titles(folder: Path, draw: Random) -> None:
    path = next(folder.glob("items.*"))
    table = as_columns(read_rows(path))
    nothing = draw.choice(["", " ", None])
    if "title" in table:
        table["title"] = [nothing if draw.random() < 0.2 else t for t in table["title"]]
        write_table(path, table)


# Those that leave something to count come more often.
DATA = [
    *(drop_column, rename_column, repeat_column, retype_column, truncate, empty, swap, rename_file),
    *[odd_numbers, odd_numbers, odd_ids, flip_bytes, flip_bytes, open_quote, rewrite] * 3,
    *[repeat_rows, shuffle_rows, drop_items, empty_titles] * 2,
]


def harm_config(config: dict[str, Any], command: str, draw: Random) -> str:
    """The configuration as a YAML text with one thing wrong, or only odd."""
    way = draw.choice(["value", "value", "value", "misspell", "drop", "byte", "nest"])
    key = draw.choice([*KEYS["both"], *KEYS[command]])
    sections = key.split(".")
    inside: Any = config
    for section in sections[:-1]:
        inside = inside.get(section) if isinstance(inside, dict) else None
        inside = inside if isinstance(inside, dict) else {}
    if way == "value":
        odd = draw.choice(ODD_VALUES)
        # As long as asked for is no mistake.
        long = key == "training.epochs" and isinstance(odd, int | float) and odd > 3
        inside[sections[-1]] = 1 if long else odd
    elif way == "nest":
        inside[sections[-1]] = {sections[-1]: inside.get(sections[-1])}
    elif way == "drop":
        config.pop(draw.choice(list(config)))
    elif way == "misspell":
        section = draw.choice([config, *(v for v in config.values() if isinstance(v, dict))])
        old = draw.choice(list(section))
        place = draw.randrange(len(old))
        section[old[:place] + draw.choice(["", "x", old[place] * 2]) + old[place + 1 :]] = (
            section.pop(old)
        )
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    if way == "byte":
        place = draw.randrange(len(text))
        text = text[:place] + draw.choice("{}[]:#&*!|>'\"%@`,-? \n\tx0") + text[place + 1 :]
    return text
