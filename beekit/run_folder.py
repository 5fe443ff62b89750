"""A run folder: the names of its files, the kind of job that made it, and its state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from beekit import index_files
from beekit.errors import RunError
from beekit.files import write_json
from beekit.folder_lock import LOCK_FILE
from beekit.model_files import require_noted
from beekit.results import dataset_results, is_joint, is_training, model_files
from beekit.results_schema import read_results
from beekit.run_files import read_yaml

CONFIG, RESULTS, CARD, REPORT = "config.yaml", "results.json", "README.md", "report.html"
THUMBNAILS = "thumbnails.json"
TABLE_CSV, TABLE_MARKDOWN = "table.csv", "table.md"
MODEL, SPLIT, CHECKPOINTS, INDEX = "model", "split", "checkpoints", "index"
MODELS, DATASETS, REPEATS = "models", "datasets", "repeats"
# The folder of the quickstart's shop and encoder, inside the run folder.
QUICKSTART = "quickstart"
SPLIT_FILE, MADE_OF = f"{SPLIT}/split.json", f"{CHECKPOINTS}/made_of.json"
# What to do about a folder that a job cannot write into.
OR_REMOVE = "Choose another `out`, or remove that folder."
# The folders of a run that hold encoders, and files that are beside them sooner or later.
ENCODERS = (MODEL, CHECKPOINTS)
_BESIDE = (CONFIG, RESULTS, SPLIT_FILE, MADE_OF)
# The kinds of jobs that make run folders, and their commands.
COMMANDS = {
    "training": "beekit train",
    "comparison": "beekit evaluate",
    "quickstart": "beekit quickstart",
}
# What a job writes before its configuration.
_BEFORE_CONFIG = {
    "training": {CHECKPOINTS},
    "comparison": {SPLIT},
    "quickstart": {QUICKSTART, CHECKPOINTS},
}
# All names that a run uses in its folder, except that of its report.
_KEPT = (
    *(CONFIG, MODEL, SPLIT, CHECKPOINTS, INDEX, MODELS, DATASETS, REPEATS),
    *(RESULTS, THUMBNAILS, CARD, TABLE_CSV, TABLE_MARKDOWN, QUICKSTART, LOCK_FILE),
)
# A config.yaml alone may be a file that the user wrote. Beside the config.yaml of a job there is at
# least one of these files.
_SIGNS = (
    *(RESULTS, MADE_OF, f"{CHECKPOINTS}/checkpoint-*/trainer_state.json"),
    *(SPLIT_FILE, f"{INDEX}/{index_files.INDEX}", f"{REPEATS}/*/{CONFIG}"),
)


class _At:
    """A file or folder of a run, by its name in the run folder."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, folder: RunFolder, kind: type[RunFolder]) -> Path:
        return folder.path / self.name


@dataclass(frozen=True)
class RunFolder:
    """A run folder, with the paths of its files."""

    path: Path

    config, results, card, report = _At(CONFIG), _At(RESULTS), _At(CARD), _At(REPORT)
    model, split, checkpoints, index = _At(MODEL), _At(SPLIT), _At(CHECKPOINTS), _At(INDEX)
    models = _At(MODELS)  # fitted models of a comparison that keeps them
    repeats = _At(REPEATS)  # the folders of the repeats, if a job has several
    thumbnails = _At(THUMBNAILS)  # small pictures of the items that the report shows, by item id
    made_of = _At(MADE_OF)  # hashes of the data that the checkpoints were trained on
    quickstart = _At(QUICKSTART)

    def repeat(self, number: int) -> RunFolder:
        """The folder of a repeat; repeats are numbered from 1."""
        return RunFolder(self.repeats / str(number))

    def dataset(self, name: str) -> RunFolder:
        """The folder of one dataset in a run on several datasets."""
        return RunFolder(self.path / DATASETS / name)

    def dataset_folders(self) -> list[RunFolder]:
        """The folders of a finished run's datasets: this folder, or one for each of several."""
        results = self.read_results()
        if not is_joint(results):
            return [self]
        return [self.dataset(one.name) for one in dataset_results(results)]

    @property
    def whole(self) -> RunFolder:
        """The run that this folder belongs to, if it is the folder of one of several datasets; else
        this folder itself."""
        place = self.path.resolve()
        above = RunFolder(place.parent.parent)
        return above if place.parent.name == DATASETS and above.kind is not None else self

    def kept_models(self) -> list[str]:
        """The labels of the models saved in a comparison."""
        if not self.models.is_dir():
            return []
        return sorted(unquote(p.name) for p in self.models.iterdir() if p.name[0] != ".")

    def model_folder(self, label: str) -> Path:
        """The folder of a model in a comparison. Characters of the label that a path cannot hold
        are encoded."""
        return self.models / quote(label, safe=" ,+()")

    def kept_model(self, label: str) -> Path:
        """The folder of a model saved in a comparison.

        Raises:
            RunError: if no model of that label is saved.
        """
        if label not in self.kept_models():
            kept = ", ".join(self.kept_models())
            raise RunError(
                f"no model {label!r} saved in {self.path}",
                expected=f"one of {kept}" if kept else "a comparison made with save_models=true",
                remedy="Choose one of those." if kept else "Evaluate again with save_models=true.",
            )
        return self.model_folder(label)

    def raw_config(self) -> dict[str, Any]:
        """The content of config.yaml, written by any version; empty if there is no such file."""
        return read_yaml(self.config) if self.config.is_file() else {}

    def write_results(self, results: Mapping[str, Any]) -> None:
        write_json(self.results, results)

    def read_results(self) -> dict[str, Any]:
        """The content of results.json.

        Raises:
            RunError: if the run is not finished, or if the file is broken.
        """
        return read_results(self.results)

    @property
    def kind(self) -> str | None:
        """The kind of job that made the folder: "training", "comparison" or "quickstart", or None.

        Finished and interrupted runs are recognised by their files. The configuration of a
        comparison has a key `models`. If the configuration is missing or broken, the other files
        decide.
        """
        if (self.quickstart / "shop").is_dir():
            return "quickstart"
        signed = self.config.is_file() and any(any(self.path.glob(sign)) for sign in _SIGNS)
        if signed:
            try:
                return _job_of(read_yaml(self.config))
            except RunError:
                pass
        if self.made_of.is_file() or (signed and self.model.is_dir()):
            return "training"
        return "comparison" if (self.path / SPLIT_FILE).is_file() else None

    def require_config(self, commands: str = "`beekit train`") -> None:
        """Check that this is a run; `commands` names the commands that make the expected run.

        Raises:
            RunError: if there is no config.yaml.
        """
        if not self.config.is_file():
            found = f"no {CONFIG} in {self.path}"
            remedy = "Check the path."
            raise RunError(found, expected=f"a run folder made by {commands}", remedy=remedy)

    def require_model(self, expected: str = "a finished training") -> None:
        """Check that the run has a model.

        Raises:
            RunError: if it has none.
        """
        if not self.model.is_dir():
            found = f"no {MODEL} in {self.path}"
            remedy = "Check the path, or finish the run with `beekit train`."
            raise RunError(found, expected=expected, remedy=remedy)

    def require_kind(self, *kinds: str) -> None:
        """Check that one of these kinds of job made the folder, and that a training is finished.

        Raises:
            RunError: if not.
        """
        if self.kind is not None and self.kind not in kinds:
            found = f"{self.path} holds a {self.kind}"
            remedy = f"Give a run made by `{COMMANDS[kinds[0]]}`."
            raise RunError(found, expected=f"a {' or '.join(kinds)}", remedy=remedy)
        whole = self.whole
        if whole.checkpoints.is_dir() and not whole.results.is_file():
            found = f"{whole.path} holds an unfinished training"
            remedy = f"Finish it with `{COMMANDS[whole.kind or 'training']}`."
            raise RunError(found, expected="a finished training", remedy=remedy)

    def require_one_dataset(self) -> None:
        """Check that this is not a run on several datasets; each of these has a folder of its own.

        Raises:
            RunError: if it is.
        """
        several = sorted(self.path.glob(f"{DATASETS}/*/{INDEX}"))
        if several:
            found = f"{self.path} holds a run on several datasets"
            remedy = f"Give {' or '.join(str(index.parent) for index in several)}."
            raise RunError(found, expected="the folder of one dataset", remedy=remedy)

    def require_not_repeated(self) -> None:
        """Check that this is not the folder of several repeats; each has a folder of its own.

        Raises:
            RunError: if it is.
        """
        if self.repeats.is_dir():
            numbered = (path for path in self.repeats.iterdir() if path.name.isdecimal())
            found = sorted(numbered, key=lambda path: int(path.name))
            raise RunError(
                f"{self.path} holds {len(found)} repeat{'' if len(found) == 1 else 's'} of a job",
                expected="the folder of one repeat",
                remedy=f"Give {' or '.join(map(str, found))}." if found else "Finish them first.",
            )

    def require_as_trained(self) -> None:
        """Check that the model's files are those that training wrote.

        Runs of versions that stored no digests are not checked.

        Raises:
            RunError: if a file is missing or has changed.
        """
        whole = self.whole
        if whole.results.is_file():
            require_noted(whole.model, model_files(whole.read_results()))

    def require_unfinished(self, kind: str) -> None:
        """Check that a job of this kind may write into the folder.

        Args:
            kind: "training", "comparison" or "quickstart".

        Raises:
            RunError: if the folder holds a finished run, repeats, an unfinished run of another kind
                of job, or other files.
        """
        path = self.path
        if self.repeats.exists():
            remedy = "Choose another `out`, or set `repeats` to go on with them."
            found = f"{path} holds a job with several repeats"
            raise taken(found, "a folder without repeats", remedy)
        if self.results.is_file():
            whole = self.report.is_file()
            found = f"{path} holds a finished run" + ("" if whole else f", but no {REPORT}")
            remedy = OR_REMOVE if whole else "Make the report with `beekit report`."
            raise taken(found, f"a folder without {RESULTS}", remedy)
        if not path.is_dir():
            return
        made_by = self.kind
        if made_by not in (None, kind):
            raise taken(
                f"{path} holds an unfinished {made_by}",
                f"an empty or new folder, or an unfinished {kind}",
                f"Choose another `out`, finish it with `{COMMANDS[str(made_by)]}`, or remove that "
                "folder.",
            )
        if made_by is None or not self.config.is_file():
            names = {e.name for e in path.iterdir() if not e.name.endswith(".partial")}
            others = sorted(names - {LOCK_FILE, *_BEFORE_CONFIG[kind]})
            if others:
                found = f"{path} holds other files ({', '.join(others[:3])})"
                raise taken(found, "an empty or new folder")


def taken(found: str, expected: str, remedy: str = "Choose another `out`.") -> RunError:
    """The error for a folder that a job cannot write into."""
    return RunError(found, expected=expected, remedy=remedy)


def run_of(encoder: str | None) -> Path | None:
    """The run folder that contains an encoder's path, also through links; None if there is none.

    A run folder has an encoder and at least one of the files that runs keep beside it. The other
    files may be missing or broken.
    """
    if encoder is None or not Path(encoder).exists():
        return None
    place = Path(encoder).resolve()
    for above in place.parents:
        inside = place.relative_to(above).parts[0] in ENCODERS
        if inside and any((above / name).is_file() for name in _BESIDE):
            return above
    return None


def require_own_place(place: Path, runs: Sequence[Path] = ()) -> None:
    """Check that a file or folder may be written at `place`.

    Inside one of `runs` it must not replace the run's own files, except the report.

    Raises:
        RunError: if it would, or if `place` is inside another run.
    """
    own = {run.resolve() for run in runs}
    resolved = place.resolve()
    for above in resolved.parents:
        kind = RunFolder(above).kind
        if kind is None:
            continue
        name = resolved.relative_to(above).parts[0]
        if above in own and name not in _KEPT:
            return
        where = f"where the run keeps its own {name}" if above in own else f"in the {kind} {above}"
        expected = "a place outside other runs that no file of the run has"
        raise taken(f"{place}, {where}", expected, "Choose another --out.")


def require_same_run(
    config: Mapping[str, Any], results: Mapping[str, Any], folder: str | Path
) -> None:
    """Check that a configuration and results belong to the same run.

    Both have to be of a training or both of a comparison, and they have to name the same datasets
    in the same order. The folder of a single dataset may have any name.

    Raises:
        RunError: if they do not belong together.
    """
    stated = [one.name for one in dataset_results(results)]
    data = config.get("data")
    entries = data if isinstance(data, list) else [data]
    named = [entry.get("data") if isinstance(entry, dict) else entry for entry in entries]
    kinds = [_job_of(config), "training" if is_training(results) else "comparison"]
    places = [Path(one) for one in named if isinstance(one, str)]
    alike = len(stated) == len(places) == len(named) and kinds[0] == kinds[1]
    if alike and (
        len(stated) == 1
        or all(name in (p.name, p.resolve().name) for name, p in zip(stated, places, strict=True))
    ):
        return
    raise RunError(
        f"{CONFIG} in {folder} is of a {kinds[0]} on "
        f"{', '.join(place.name for place in places) or 'no dataset'}, {RESULTS} of a "
        f"{kinds[1]} on {', '.join(stated) or 'no dataset'}",
        expected="files of the same run, with the same datasets in the same order",
        remedy=f"Restore {CONFIG} from a copy.",
    )


def _job_of(config: Mapping[str, Any]) -> str:
    return "comparison" if "models" in config else "training"
