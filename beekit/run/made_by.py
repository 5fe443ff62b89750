"""What kind of job made a folder, so that no other kind touches it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from beekit.alone import LOCK_FILE
from beekit.errors import RunError
from beekit.run_files import read_yaml

# Where the quickstart keeps its shop and encoder, in the run folder itself.
QUICKSTART = "quickstart"
# What makes folders, and the command to go on with.
COMMANDS = {
    "training": "beekit train",
    "comparison": "beekit evaluate",
    "quickstart": "beekit quickstart",
}
# What a job writes before its config.yaml.
_BEFORE_CONFIG = {
    "training": {"checkpoints"},
    "comparison": {"split"},
    "quickstart": {QUICKSTART, "checkpoints"},
}
# What a run keeps, but its report.
_PARTS = (
    *("config.yaml", "model", "split", "checkpoints", "index", "models", "datasets", "repeats"),
    *("results.json", "thumbnails.json", "README.md", "table.csv", "table.md"),
    *(QUICKSTART, LOCK_FILE),
)
# A config.yaml may be the one that a user wrote, beside folders of any name: a job's stands beside
# one of these.
_SIGNS = (
    *("results.json", "checkpoints/made_of.json", "checkpoints/checkpoint-*/trainer_state.json"),
    *("split/split.json", "index/index.json", "repeats/*/config.yaml"),
)


def kind_of(path: Path) -> str | None:
    """What made a folder: "training", "comparison" or "quickstart"; None if none of these.

    Finished and interrupted runs are recognised by their files: the configuration of a comparison
    has a key `models`, and what is written before it is of one kind. If the configuration is
    broken, the other files decide.
    """
    if (path / QUICKSTART / "shop").is_dir():
        return "quickstart"
    config = path / "config.yaml"
    signed = config.is_file() and any(any(path.glob(sign)) for sign in _SIGNS)
    if signed:
        try:
            return "comparison" if "models" in read_yaml(config) else "training"
        except RunError:
            pass
    if (path / "checkpoints" / "made_of.json").is_file() or (signed and (path / "model").is_dir()):
        return "training"
    return "comparison" if (path / "split" / "split.json").is_file() else None


def require_unfinished(path: Path, kind: str) -> None:
    """Refuse a folder with a finished run, another kind's unfinished one, repeats, or other files.

    Args:
        path: the folder.
        kind: of the job that is to write there.

    Raises:
        RunError: if the folder holds a finished run, an unfinished one of another kind of job,
            repeats or other files, or if it is a file.
    """
    if (path / "repeats").exists():
        raise RunError(
            f"{path} holds a job with several repeats",
            expected="a folder for one run",
            remedy="Choose another `out`, or set `repeats` to go on with them.",
        )
    if (path / "results.json").is_file():
        raise RunError(
            f"{path} holds a finished run",
            expected="a folder without results.json",
            remedy="Choose another `out`, or remove that folder.",
        )
    if not path.is_dir():
        if path.exists():
            raise RunError(f"{path} is a file", expected="a folder", remedy="Choose another `out`.")
        return
    made_by = kind_of(path)
    if made_by not in (None, kind):
        raise RunError(
            f"{path} holds an unfinished {made_by}",
            expected=f"an empty or new folder, or an unfinished {kind}",
            remedy=f"Choose another `out`, finish it with `{COMMANDS[str(made_by)]}`, or remove "
            "that folder.",
        )
    if made_by is None or not (path / "config.yaml").is_file():
        names = {entry.name for entry in path.iterdir()}
        own = {LOCK_FILE, *_BEFORE_CONFIG[kind]}
        others = {name for name in names if not name.endswith(".partial")} - own
        if others:
            raise RunError(
                f"{path} holds other files ({', '.join(sorted(others)[:3])})",
                expected="an empty or new folder",
                remedy="Choose another `out`.",
            )


def require_own_place(place: Path, runs: Sequence[Path] = ()) -> None:
    """Refuse to write a file or folder into a run that is none of these.

    In one of these it may stand beside the run's own parts, and take the place of none but the
    report.

    Raises:
        RunError: if `place` lies in a run that is none of these, or where one of these keeps a
            part.
    """
    own = {run.resolve() for run in runs}
    resolved = place.resolve()
    for above in resolved.parents:
        kind = kind_of(above)
        if kind is None:
            continue
        part = resolved.relative_to(above).parts[0]
        if above in own and part not in _PARTS:
            return
        found = f"where the run keeps its own {part}" if above in own else f"in the {kind} {above}"
        raise RunError(
            f"{place}, {found}",
            expected="a place that is nobody else's",
            remedy="Choose another --out.",
        )
