"""A run folder: where its parts are, and what state it is in."""

from __future__ import annotations

import dataclasses
import json
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

# Where the quickstart keeps its shop and encoder, in the run folder itself.
_QUICKSTART = "quickstart"


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
            RunError: there is none of that label.
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
            RunError: so.
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
            RunError: so.
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
        return self.path / _QUICKSTART

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def card(self) -> Path:
        return self.path / "README.md"

    @property
    def last_checkpoint(self) -> str | None:
        """The newest complete checkpoint, if any."""
        return get_last_checkpoint(str(self.checkpoints)) if self.checkpoints.is_dir() else None

    def load_config(self) -> Config:
        """The resolved configuration.

        Raises:
            RunError: no run there.
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
            RunError: a finished run, a run of another configuration or other data, or other files.
        """
        self.require_unfinished()
        made_of = {"split": split_hash, "fingerprint": fingerprint}
        if self.last_checkpoint is None:
            self.path.mkdir(parents=True, exist_ok=True)
            self.checkpoints.mkdir(exist_ok=True)
            write_json(self.made_of, made_of)
            return config
        saved = self.load_config()
        differing = differences(saved, config)
        if not self.made_of.is_file() or json.loads(self.made_of.read_text()) != made_of:
            differing.append("dataset or split")
        if differing:
            raise RunError(
                f"{self.path} holds an unfinished run with another {', '.join(differing)}",
                expected="the same configuration and data, to go on with it",
                remedy="Choose another `out`, or remove that folder.",
            )
        return saved

    def require_unfinished(self) -> None:
        """Refuse a folder that holds a finished run, several repeats, or files that are no run.

        Raises:
            RunError: so.
        """
        if self.repeats.exists():
            raise RunError(
                f"{self.path} holds a job with several repeats",
                expected="a folder for one run",
                remedy="Choose another `out`, or set `repeats` to go on with them.",
            )
        if self.results.is_file():
            raise RunError(
                f"{self.path} holds a finished run",
                expected="a folder without results.json",
                remedy="Choose another `out`, or remove that folder.",
            )
        if self.path.exists() and not self.path.is_dir():
            raise RunError(
                f"{self.path} is a file", expected="a folder", remedy="Choose another `out`."
            )
        if self.path.is_dir() and not self.config.is_file():
            names = {entry.name for entry in self.path.iterdir()}
            own = {_QUICKSTART, "checkpoints"}
            others = {n for n in names if not n.endswith(".partial")} - own
            if others:
                raise RunError(
                    f"{self.path} holds other files ({', '.join(sorted(others)[:3])})",
                    expected="an empty or new folder",
                    remedy="Choose another `out`.",
                )

    def write_config(self, config: Config | Comparison) -> None:
        """Write a resolved configuration as YAML."""
        text = yaml.safe_dump(dataclasses.asdict(config), sort_keys=False, allow_unicode=True)
        write_text(self.config, text)

    def write_results(self, results: dict[str, Any]) -> None:
        write_json(self.results, results)

    def read_results(self) -> dict[str, Any]:
        """What the run measured.

        Raises:
            RunError: it is not finished.
        """
        if not self.results.is_file():
            raise RunError(
                f"no results.json in {self.path}",
                expected="a finished run",
                remedy="Check the path, or finish the run.",
            )
        results: dict[str, Any] = json.loads(self.results.read_text(encoding="utf-8"))
        return results


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
