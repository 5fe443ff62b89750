"""What a run on several datasets has beside the results on each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from beekit.hub import write_card
from beekit.report import write_report
from beekit.run.config import Config
from beekit.run.folder import RunFolder
from beekit.run.parts import Part, joint_hash

# What an encoder reads of the items of a dataset.
_CONTENT = ("text", "image")


def finish_several(folder: RunFolder, config: Config, parts: Sequence[Part]) -> None:
    """Make each dataset's folder one that serves, and write results, report and card of them all.

    Rows of `results.json` are those of the datasets, whose names begin their scenarios; what the
    datasets and splits are stands under `datasets`.
    """
    for part in parts:
        own = part.config.replace(out=str(part.folder.path), training=config.training)
        part.folder.write_config(own)
        if not part.folder.model.is_symlink():
            part.folder.model.symlink_to("../../model", target_is_directory=True)
    each = [part.folder.read_results() for part in parts]
    counted = ("users", "items", "catalog_items", "interactions")
    kinds = dict.fromkeys(results["split"]["kind"] for results in each)
    shared: dict[str, Any] = {
        key: each[0][key] for key in ("environment", "note") if key in each[0]
    }
    notes = [
        f"{results['dataset']['name']}, {note}"
        for results in each
        for note in results.get("notes", [])
    ]
    training = {key: v for key, v in each[0]["training"].items() if key not in _CONTENT}
    folder.write_results(
        {
            "schema": 1,
            "dataset": {
                "name": " + ".join(results["dataset"]["name"] for results in each),
                **{name: sum(results["dataset"][name] for results in each) for name in counted},
                "fingerprint": joint_hash([r["dataset"]["fingerprint"] for r in each]),
            },
            "split": {
                "kind": kinds.popitem()[0] if len(kinds) == 1 else "several",
                "hash": joint_hash([results["split"]["hash"] for results in each]),
            },
            **shared,
            **({"notes": notes} if notes else {}),
            "training": training,
            "rows": [
                {**row, "scenario": f"{results['dataset']['name']}/{row['scenario']}"}
                for results in each
                for row in results["rows"]
            ],
            "datasets": [
                {
                    **results["dataset"],
                    **{key: results["training"].get(key) for key in _CONTENT},
                    "split": results["split"],
                }
                for results in each
            ],
        }
    )
    write_report([part.folder.path for part in parts], folder.report)
    write_card(folder.path)
