"""What a comparison says of its data: which rows each rule kept, and none that mean no."""

from __future__ import annotations

import json

import yaml

from beekit.cli import main

ITEMS = "item_id,title\n" + "".join(f"{n},item {n}\n" for n in range(8))
PAIRS = [(user, (user + step) % 9) for user in range(9) for step in range(4)]


def evaluate(tmp_path, **changes) -> int:
    config = {
        "data": str(tmp_path),
        "out": str(tmp_path / "run"),
        "models": ["popularity"],
        "split": {"kind": "user", "fraction": 0.3},
        "evaluation": {"metrics": ["recall@2"], "top_k": 2},
        **changes,
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    return main(["evaluate", str(tmp_path / "config.yaml")])


def write(path, header: str, rows) -> None:
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows), ""]))


def test_results_and_log_say_what_each_rule_kept(tmp_path, capsys):
    (tmp_path / "items.csv").write_text(ITEMS)  # without item 8, which 4 users have
    rows = [(user, item, number % 5) for number, (user, item) in enumerate(PAIRS)]
    write(tmp_path / "interactions.csv", "user_id,item_id,value", rows)
    known = [row for row in rows if row[1] != 8]
    left = [row for row in known if row[2] >= 1]
    assert evaluate(tmp_path, unknown_items="drop", min_value=1) == 0
    dataset = json.loads((tmp_path / "run" / "results.json").read_text())["dataset"]
    assert dataset["rows_kept"] == [
        {"rule": "unknown_items=drop", "kept": len(known), "of": 36, "rows": "interactions"},
        {"rule": "min_value=1", "kept": len(left), "of": len(known), "rows": "interactions"},
    ]
    assert dataset["interactions"] == len(left)
    lines = capsys.readouterr().err.splitlines()
    assert f"unknown_items=drop keeps {len(known)} of 36 interactions" in lines
    assert f"min_value=1 keeps {len(left)} of {len(known)} interactions" in lines


def test_published_files_with_values_that_may_mean_no_are_refused(tmp_path, capsys):
    for name, value in (("train", 1), ("test", 0)):
        rows = [(*pair, value) for pair in PAIRS if (pair[0] == pair[1]) == (name == "test")]
        write(tmp_path / f"{name}.csv", "user_id,item_id,value", rows)
    split = {"kind": "published", "train": "train.csv", "test": "test.csv"}
    assert evaluate(tmp_path, split=split) == 2
    line = capsys.readouterr().err
    assert "9 of 9 interactions have a value of 0 or below" in line
    assert "Remove those rows of test.csv" in line
