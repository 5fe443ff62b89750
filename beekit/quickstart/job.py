"""The quickstart: training and evaluation on a synthetic shop, from generated data to a report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sentence_transformers import SentenceTransformer

from beekit.encoders import embed_items, fuse, load_encoder
from beekit.errors import ConfigError
from beekit.files import replacing_folder
from beekit.folder_lock import alone_in
from beekit.quickstart.encoder import build_encoder
from beekit.quickstart.image_encoder import build_image_encoder
from beekit.quickstart.plot import draw_before_after
from beekit.quickstart.shop import Shop, make_shop
from beekit.run.config import Config, make_config
from beekit.run.dataset import load_dataset
from beekit.run.inputs import item_inputs
from beekit.run.locations import absolute
from beekit.run.resume import config_to_run, write_config
from beekit.run.summary import print_summary
from beekit.run.train import train
from beekit.run_folder import RunFolder
from beekit.split import load_split

_NOTE = (
    "This shop is synthetic: its catalog and sales are generated, and the encoder starts from "
    "random weights. It shows how the pieces work together, not how good beekit is on your data."
)


@dataclass(frozen=True)
class _Recipe:
    """The settings of a modality."""

    build: Callable[[Shop, int], SentenceTransformer]  # makes the encoder from the shop and a seed
    inputs: dict[str, str]  # the keys of the configuration that say what the encoder reads
    training: dict[str, Any]  # the section `training` of the configuration
    alike: str  # what makes items similar before fine-tuning, in words
    next: str  # arguments of `beekit train` for the next step
    gaps: bool = False  # whether some items have no text, and some no picture


_STEP = {"users_per_step": 256, "items_per_step": 400}
_PICTURES = {**_STEP, "mini_batch_tokens": 8192}
_RECIPES = {
    "text": _Recipe(
        build=lambda shop, seed: build_encoder(shop.texts, seed=seed),
        inputs={"text": "{text}"},
        training={**_STEP, "learning_rate": 2e-3, "max_steps": 320},
        alike="what they are called",
        next="ml1m data=DIR encoder=sentence-transformers/all-MiniLM-L6-v2 out=RUN",
    ),
    "image": _Recipe(
        build=lambda shop, seed: build_image_encoder(seed=seed),
        inputs={"image": "image"},
        training={**_PICTURES, "learning_rate": 1.5e-3, "warmup_steps": 80, "max_steps": 800},
        alike="what they look like",
        next="CONFIG.yaml data=DIR image=COLUMN encoder=ENCODER out=RUN",
    ),
    "text+image": _Recipe(
        build=lambda shop, seed: fuse(
            build_encoder(shop.texts, seed=seed), build_image_encoder(seed=seed)
        ),
        inputs={
            **{"text": "{text}", "image": "image"},
            **{"missing_text": "keep", "missing_image": "keep"},
        },
        training={**_PICTURES, "learning_rate": 2e-3, "max_steps": 400},
        alike="what they are called and look like",
        next="CONFIG.yaml data=DIR text=TEMPLATE image=COLUMN encoder=ENCODER "
        "image_encoder=ENCODER out=RUN",
        gaps=True,
    ),
}


def run_quickstart(out: str | Path, modality: str = "text", *, seed: int = 0) -> RunFolder:
    """Generate the shop and a tiny encoder, fine-tune the encoder, and write a complete run folder.

    Shop, encoder and preprocessed pictures are written to `<out>/quickstart`, so that the run can
    be resumed, indexed again, or repeated with other settings by `beekit train <out>/config.yaml
    out=...`.

    Args:
        out: run folder to make.
        modality: what the encoder reads of an item: "text", "image" or "text+image". With the last,
            one item in five has no text, and another one has no picture.
        seed: seed of the shop and of the encoder's weights.

    Raises:
        ConfigError: if `modality` is not one of these.
        RunError: if the folder holds a finished run, an unfinished run of another kind of job or of
            another quickstart, or other files, or if another process uses it.
    """
    if modality not in _RECIPES:
        known = f"one of {', '.join(_RECIPES)}"
        raise ConfigError(f"modality {modality!r}", expected=known, remedy="Choose one of those.")
    with alone_in(out):
        return _quickstart(RunFolder(Path(out)), modality, seed)


def _quickstart(folder: RunFolder, modality: str, seed: int) -> RunFolder:
    recipe = _RECIPES[modality]
    made = folder.quickstart
    folder.require_unfinished("quickstart")
    config = make_config(
        {
            "data": str(made / "shop"),
            "out": str(folder.path),
            "encoder": str(made / "encoder"),
            "cache": str(made / "cache"),
            "note": _NOTE,
            "chosen_on": "chosen by hand on a shop made like this one",
            "split": {"kind": "cold_start", "fraction": 0.2, "seed": 42},
            "training": recipe.training,
            **recipe.inputs,
        }
    )
    config = absolute(config)
    if folder.config.is_file():
        config_to_run(folder, config)  # checked before the shop and the encoder are written again
    print(f"{_NOTE}\n")
    shop = make_shop(seed=seed)
    shop.save(made / "shop", gaps=recipe.gaps)
    with replacing_folder(made / "encoder") as staging:
        recipe.build(shop, seed).save(str(staging))
    config = absolute(config)  # now that its shop and encoder are there
    write_config(folder, config)
    train(config)
    split = load_split(folder.split, load_dataset(config).interactions)
    if split.test is not None:
        cold = split.test.candidates
        before, after = (_embedded(config, own)[cold] for own in (made / "encoder", folder.model))
        plot, rule = folder.path / "before_after.svg", (shop.series[cold], shop.kinds[cold])
        draw_before_after(before, after, *rule, plot, alike=recipe.alike)
    print_summary(folder)
    print(
        f"plot    {folder.path / 'before_after.svg'}\n"
        "next    your own data, with a real encoder:\n"
        f"        beekit train {recipe.next}"
    )
    return folder


def _embedded(config: Config, encoder_folder: Path) -> np.ndarray:
    """The embeddings (items, dims) of the catalog by the encoder in a folder, with the inputs that
    the configuration sets."""
    encoder = load_encoder(encoder_folder)
    dataset, inputs = item_inputs(config, load_dataset(config), encoder)
    return embed_items(encoder, inputs, item_ids=dataset.catalog.item_ids)
