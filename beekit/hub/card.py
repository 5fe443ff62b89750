"""The model card of a run, from its results."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined

from beekit.errors import RunError
from beekit.files import write_text


def write_card(run: str | Path) -> None:
    """Write `README.md` of a run folder from its `results.json`.

    Raises:
        RunError: a folder without results.
    """
    run = Path(run)
    if not (run / "results.json").is_file():
        raise RunError(
            f"no results.json in {run}",
            expected="a finished run folder",
            remedy="Finish the run with `beekit train`.",
        )
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    write_text(run / "README.md", render_card(results))


def render_card(results: dict[str, Any]) -> str:
    """Markdown with the Hub's YAML header; every number is taken from the results."""
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    template = environment.from_string(files("beekit.hub").joinpath("card.md.j2").read_text())
    training = results.get("training", {})
    if training:
        named = ("text", "image", "max_seq_length", "fusion", "dataset_batches", "needs_beekit")
        training = {**dict.fromkeys(named), **training}
    header: dict[str, Any] = {
        "library_name": "sentence-transformers",
        "pipeline_tag": "sentence-similarity",
        "tags": ["sentence-transformers", "recommender-systems", "cold-start", "beeformer"],
    }
    encoder = training.get("encoder", "")
    is_name = encoder.count("/") == 1 and not encoder.startswith((".", "/", "~"))
    if is_name and not Path(encoder).exists():
        header["base_model"] = encoder  # a name on the Hub; a path would tell strangers nothing
    metrics = list(results["rows"][0]["metrics"]) if results["rows"] else []
    parts = _parts(results)
    return template.render(
        header=yaml.safe_dump(header, sort_keys=False).strip(),
        results=results,
        training=training,
        reads=_reads(training, parts),
        parts=parts,
        encoder=header.get("base_model") or Path(encoder).name or "an encoder",
        metrics=metrics,
    )


def _parts(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Dataset, split and rows of each dataset the run was trained on."""
    if "datasets" not in results:
        return [{name: results[name] for name in ("dataset", "split", "rows")}]
    return [
        {
            "dataset": dataset,
            "split": dataset["split"],
            "rows": [r for r in results["rows"] if r["scenario"].startswith(f"{dataset['name']}/")],
        }
        for dataset in results["datasets"]
    ]


def _reads(training: dict[str, Any], parts: list[dict[str, Any]]) -> str:
    """What the encoder reads of an item: "text", "picture", or both."""
    named = [training, *(part["dataset"] for part in parts)]
    kinds = {"text": "text", "image": "picture"}
    read = [word for key, word in kinds.items() if any(one.get(key) for one in named)]
    return " and ".join(read) or "text"
