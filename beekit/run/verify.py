"""Repeating a run's evaluation: the same model, data and split must give the same numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beekit.errors import RunError
from beekit.results import FINE_TUNED, rows_of
from beekit.run.config import Config
from beekit.run.first_checks import require_data
from beekit.run.resume import saved_config
from beekit.run_files import read_yaml
from beekit.run_folder import RunFolder, require_same_run

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


@dataclass(frozen=True)
class Repeated:
    """A metric as a run's results have it, and as it came out again.

    Attributes:
        dataset, metric: their names.
        stated: the value in `results.json`, and `interval` its 95% interval.
        found: the value here.
    """

    dataset: str
    metric: str
    stated: float
    interval: tuple[float, float]
    found: float

    @property
    def agrees(self) -> bool:
        """Whether the value found is the one stated, but for a twentieth of its interval's width.

        On the machine that trained, both are the same to the last digit; elsewhere embeddings
        differ in the seventh, and now and then two items change places.
        """
        return abs(self.found - self.stated) <= self.tolerance

    @property
    def tolerance(self) -> float:
        """By how much the value found may differ; an interval may have no width."""
        return max((self.interval[1] - self.interval[0]) / 20, 1e-6)


def verify(run: str | Path) -> list[Repeated]:
    """Evaluate a run's model again, on the dataset its configuration names.

    Raises:
        RunError: if there is no finished run with a model, if it held nothing out, if
            configuration, results, dataset and split are not of one run, or if a metric is further
            from the one stated than `Repeated.tolerance`.
        DataError: if the dataset cannot be read.
    """
    folder = RunFolder(Path(run))
    folder.require_not_repeated()
    folder.require_model("a run with a fine-tuned model")
    config, folders = saved_config(folder), folder.dataset_folders()
    require_same_run(read_yaml(folder.config), folder.read_results(), folder.path)
    each = [own.read_results() for own in folders]
    require_data(config)
    from beekit.run.encoder import run_encoder  # takes seconds, and a mistake above shows before

    encoder = run_encoder(folder, config)
    repeated = [
        metric
        for own, results in zip(config.datasets(), each, strict=True)
        for metric in _repeat(own, results, encoder)
    ]
    if not repeated:
        found = f"nothing measured in {folder.path}"
        remedy = "Train with a split other than none."
        raise RunError(found, expected="a run that held something out", remedy=remedy)
    apart = [one for one in repeated if not one.agrees]
    if apart:
        first = apart[0]
        raise RunError(
            f"{first.metric} on {first.dataset} is {first.found:.4f} here, and in results.json "
            f"{first.stated:.4f}" + (f", with {len(apart) - 1} more" if apart[1:] else ""),
            expected=f"the same within {first.tolerance:.4f}",
            remedy="Model and results do not belong together: train or pull the run again.",
        )
    folder.require_as_trained()  # what differs and shows in no metric
    return repeated


def _repeat(
    config: Config, results: Mapping[str, Any], encoder: SentenceTransformer
) -> list[Repeated]:
    stated = next(iter(rows_of(results["rows"], FINE_TUNED)), None)
    if stated is None:
        return []
    from beekit.evaluation import evaluate
    from beekit.run.dataset import load_dataset
    from beekit.run.inputs import embed_and_index, item_inputs
    from beekit.split import make_split

    dataset, inputs = item_inputs(config, load_dataset(config), encoder)
    split = make_split(dataset.interactions, config.split)
    _require_same("dataset", dataset.fingerprint, results["dataset"]["fingerprint"], config)
    _require_same("split", split.hash, results["split"]["hash"], config)
    if split.test is None:
        return []
    index, _ = embed_and_index(encoder, inputs, dataset.catalog.item_ids)
    metrics, settings = stated["metrics"], config.evaluation
    asked: dict[str, Any] = {
        "metrics": tuple(metrics),
        "top_k": settings.top_k,
        "seed": settings.seed,
    }
    found = evaluate(index, split.test, model=FINE_TUNED, **asked)
    return [
        Repeated(
            results["dataset"]["name"],
            name,
            metrics[name]["value"],
            (metrics[name]["ci95"][0], metrics[name]["ci95"][1]),
            found.metrics[name]["value"],
        )
        for name in metrics
    ]


def _require_same(what: str, here: str, stated: str, config: Config) -> None:
    if here != stated:
        raise RunError(
            f"the {what} made from {config.data} has the hash {here[:16]}, and the results speak "
            f"of {stated[:16]}",
            expected=f"the same {what} as in the run",
            remedy=f"Correct `data` in its config.yaml: the {what} has to be made alike.",
        )
