"""A run folder: where its parts are, and what state it is in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import yaml
from transformers.trainer_utils import get_last_checkpoint

from beekit.errors import RunError
from beekit.files import write_json, write_text
from beekit.run.comparison import Comparison
from beekit.run.config import Config, load_config
from beekit.run.made_by import COMMANDS, QUICKSTART, kind_of, require_unfinished
from beekit.run_files import read_json, read_results


@dataclass(frozen=True)
class RunFolder:
    """Paths of the parts of a run; the contract names them."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def model(self) -> Path:
        return self.path / "model"

    @property
    def split(self) -> Path:
        return self.path / "split"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def made_of(self) -> Path:
        """Hashes of what the checkpoints learnt from."""
        return self.checkpoints / "made_of.json"

    @property
    def index(self) -> Path:
        return self.path / "index"

    @property
    def models(self) -> Path:
        """Fitted models of a comparison that keeps them."""
        return self.path / "models"

    def kept_models(self) -> list[str]:
        """Labels of the models kept here."""
        if not self.models.is_dir():
            return []
        return sorted(unquote(p.name) for p in self.models.iterdir() if p.name[0] != ".")

    def model_folder(self, label: str) -> Path:
        """Where a model of a comparison is kept; a label may hold what a path must not."""
        return self.models / quote(label, safe=" ,+()")

    def kept_model(self, label: str) -> Path:
        """Folder of a model kept here.

        Raises:
            RunError: if no model of that label is kept.
        """
        if label not in self.kept_models():
            kept = ", ".join(self.kept_models())
            raise RunError(
                f"no model {label!r} kept in {self.path}",
                expected=f"one of {kept}" if kept else "a comparison made with save_models=true",
                remedy="Choose one of those." if kept else "Evaluate again with save_models=true.",
            )
        return self.model_folder(label)

    def dataset(self, name: str) -> RunFolder:
        """The results on one dataset of several that a run has."""
        return RunFolder(self.path / "datasets" / name)

    def require_one_dataset(self) -> None:
        """Refuse the folder of a run on several datasets, whose items are in folders of their own.

        Raises:
            RunError: if the folder holds a run on several datasets.
        """
        several = sorted(self.path.glob("datasets/*/index"))
        if several:
            raise RunError(
                f"{self.path} holds a run on several datasets",
                expected="one of them",
                remedy=f"Name {' or '.join(str(index.parent) for index in several)}.",
            )

    @property
    def repeats(self) -> Path:
        """Folders of the repeats of a job that has several."""
        return self.path / "repeats"

    def repeat(self, number: int) -> RunFolder:
        """One of several repeats, numbered from 1."""
        return RunFolder(self.repeats / str(number))

    def require_not_repeated(self) -> None:
        """Refuse the folder of several repeats, each of which has its model in its own.

        Raises:
            RunError: if the folder holds repeats.
        """
        if self.repeats.is_dir():
            numbered = (path for path in self.repeats.iterdir() if path.name.isdecimal())
            found = sorted(numbered, key=lambda path: int(path.name))
            raise RunError(
                f"{self.path} holds {len(found)} repeat{'' if len(found) == 1 else 's'} of a job",
                expected="one of them",
                remedy=f"Name {' or '.join(map(str, found))}." if found else "Finish them first.",
            )

    def parts(self) -> list[RunFolder]:
        """The folders of a finished run's datasets: this one alone, or one for each of several."""
        several = self.read_results().get("datasets", [])
        return [self.dataset(dataset["name"]) for dataset in several] or [self]

    @property
    def results(self) -> Path:
        return self.path / "results.json"

    @property
    def thumbnails(self) -> Path:
        """Small pictures of the items that the report shows, by item id."""
        return self.path / "thumbnails.json"

    @property
    def quickstart(self) -> Path:
        return self.path / QUICKSTART

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def card(self) -> Path:
        return self.path / "README.md"

    @property
    def kind(self) -> str | None:
        """What made the folder: "training", "comparison" or "quickstart"; None if none of these."""
        return kind_of(self.path)

    @property
    def whole(self) -> RunFolder:
        """The run on several datasets that this folder is a part of; else itself."""
        place = self.path.resolve()
        above = RunFolder(place.parent.parent)
        return above if place.parent.name == "datasets" and above.kind is not None else self

    def require_kind(self, *kinds: str) -> None:
        """Refuse a folder that another kind of job made, or a training that is not done.

        Raises:
            RunError: if another kind of job made the folder, or if it holds a training that is not
                finished.
        """
        if self.kind is not None and self.kind not in kinds:
            raise RunError(
                f"{self.path} holds a {self.kind}",
                expected=f"a {' or '.join(kinds)}",
                remedy=f"Name a run made by `{COMMANDS[kinds[0]]}`.",
            )
        whole = self.whole
        if whole.checkpoints.is_dir() and not whole.results.is_file():
            raise RunError(
                f"{whole.path} holds an unfinished training",
                expected="a finished one",
                remedy=f"Finish it with `{COMMANDS[whole.kind or 'training']}`.",
            )

    @property
    def last_checkpoint(self) -> str | None:
        """The newest complete checkpoint, if any."""
        return get_last_checkpoint(str(self.checkpoints)) if self.checkpoints.is_dir() else None

    def load_config(self) -> Config:
        """The resolved configuration.

        Raises:
            RunError: if there is no run.
            ConfigError: if its configuration cannot be read.
        """
        if not self.config.is_file():
            raise RunError(
                f"no config.yaml in {self.path}",
                expected="a run folder made by `beekit train`",
                remedy="Check the path.",
            )
        return load_config(self.config)

    def claim(self, config: Config, split_hash: str, fingerprint: str) -> Config:
        """Take the folder for a run: a fresh one, or one to go on with from its last checkpoint.

        Args:
            config: what to run.
            split_hash, fingerprint: of the split and dataset as they are now; a checkpoint that
                learnt from others must not be continued, for it may know what is held out.

        Returns:
            the configuration to run: the saved one where the run goes on, since it has settled
            what was left to `auto`.

        Raises:
            RunError: if the folder holds a finished run, an unfinished one of another
                configuration, of other data or of another kind of job, repeats, or other files.
        """
        self.require_trainable(config)
        made_of = {"split": split_hash, "fingerprint": fingerprint}
        if self.last_checkpoint is None:
            self.path.mkdir(parents=True, exist_ok=True)
            self.checkpoints.mkdir(exist_ok=True)
            write_json(self.made_of, made_of)
            return config
        saved = self.load_config()
        differing = differences(saved, config)
        if not self.made_of.is_file() or read_json(self.made_of) != made_of:
            differing.append("dataset or split")
        if differing:
            raise RunError(
                f"{self.path} holds an unfinished run with another {', '.join(differing)}",
                expected="the same configuration and data, to go on with it",
                remedy="Choose another `out`, or remove that folder.",
            )
        return saved

    def require_trainable(self, config: Config) -> None:
        """Refuse a folder that a training with this configuration must not touch.

        What the quickstart began, a training may go on with if it is the same one.

        Raises:
            RunError: if `require_unfinished` refuses the folder, or if the quickstart began a run
                of another configuration there.
        """
        if self.kind != "quickstart":
            self.require_unfinished("training")
            return
        self.require_unfinished("quickstart")
        differing = differences(self.load_config(), config) if self.config.is_file() else ["key"]
        if differing:
            raise RunError(
                f"{self.path} holds an unfinished quickstart with another {', '.join(differing)}",
                expected="the same configuration, to go on with it",
                remedy="Choose another `out`, or remove that folder.",
            )

    def require_unfinished(self, kind: str) -> None:
        """Refuse a folder with a finished run, another kind's unfinished one, or other files.

        Args:
            kind: of the job that is to write here: "training", "comparison" or "quickstart".

        Raises:
            RunError: if the folder holds a finished run, an unfinished one of another kind of job,
                repeats or other files, or if it is a file.
        """
        require_unfinished(self.path, kind)

    def write_config(self, config: Config | Comparison) -> None:
        """Write a resolved configuration as YAML."""
        text = yaml.safe_dump(config.content(), sort_keys=False, allow_unicode=True)
        write_text(self.config, text)

    def write_results(self, results: dict[str, Any]) -> None:
        write_json(self.results, results)

    def read_results(self) -> dict[str, Any]:
        """What the run measured.

        Raises:
            RunError: if the run is not finished, or if the file is broken.
        """
        return read_results(self.path)


def differences(saved: Config | Comparison, asked: Config | Comparison) -> list[str]:
    """Keys whose values differ, less a bf16 that was `auto` and has been settled.

    Where a folder is, where pictures are cached and how many repeats there are is left out.
    """
    apart = ("training", "out", "cache", "repeats")
    names = [
        name
        for name in vars(asked)
        if name not in apart and getattr(saved, name) != getattr(asked, name)
    ]
    trained = getattr(saved, "training", {}), getattr(asked, "training", {})
    for key in sorted({*trained[0], *trained[1]}):
        mine, theirs = trained[0].get(key), trained[1].get(key)
        if mine != theirs and not (key == "bf16" and theirs == "auto"):
            names.append(f"training.{key}")
    return names
