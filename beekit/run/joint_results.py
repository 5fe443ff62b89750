"""What a run on several datasets has beside the results on each."""

from __future__ import annotations

from collections.abc import Sequence

from beekit.hub import write_card
from beekit.report import write_report
from beekit.results import compose_results, joint_hash
from beekit.run.resume import write_config
from beekit.run.run_dataset import RunDataset
from beekit.run_folder import MODEL, RunFolder

# What an encoder reads of the items of a dataset.
_CONTENT = ("text", "image")


def finish_joint(folder: RunFolder, datasets: Sequence[RunDataset]) -> None:
    """Make each dataset's folder one that serves, and write results, report and card of them all.

    Rows of `results.json` are those of the datasets, whose names begin their scenarios; what the
    datasets and splits are stands under `datasets`.
    """
    for one in datasets:
        own = one.folder
        write_config(own, one.config.replace(out=str(own.path)))
        if not own.model.is_symlink():
            own.model.symlink_to(f"../../{MODEL}", target_is_directory=True)
    each = [one.folder.read_results() for one in datasets]
    counted = ("users", "items", "catalog_items", "interactions")
    kinds = dict.fromkeys(results["split"]["kind"] for results in each)
    notes = [f"{one['dataset']['name']}, {note}" for one in each for note in one.get("notes", [])]
    training = {key: v for key, v in each[0]["training"].items() if key not in _CONTENT}
    results = compose_results(
        dataset={
            "name": " + ".join(results["dataset"]["name"] for results in each),
            **{name: sum(results["dataset"][name] for results in each) for name in counted},
            "fingerprint": joint_hash([r["dataset"]["fingerprint"] for r in each]),
        },
        split={
            "kind": kinds.popitem()[0] if len(kinds) == 1 else "several",
            "hash": joint_hash([results["split"]["hash"] for results in each]),
        },
        environment=each[0]["environment"],
        note=each[0].get("note"),
        notes=notes or None,
        training=training,
        rows=[
            {**row, "scenario": f"{results['dataset']['name']}/{row['scenario']}"}
            for results in each
            for row in results["rows"]
        ],
        datasets=[
            {
                **results["dataset"],
                **{key: results["training"].get(key) for key in _CONTENT},
                "split": results["split"],
            }
            for results in each
        ],
    )
    folder.write_results(results)
    write_report([one.folder.path for one in datasets], folder.report)
    write_card(folder.path)
