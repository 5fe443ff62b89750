"""The main job on a synthetic shop, from nothing to a report."""

from __future__ import annotations

from pathlib import Path

from beekit.encoders import embed_items, load_encoder
from beekit.files import replacing_folder
from beekit.quickstart.encoder import build_encoder
from beekit.quickstart.picture import draw_before_after
from beekit.quickstart.shop import make_shop
from beekit.run.config import make_config
from beekit.run.dataset import load_dataset
from beekit.run.folder import RunFolder
from beekit.run.summary import print_summary
from beekit.run.train import train
from beekit.split import load_split

_NOTE = (
    "This shop is synthetic: its catalog and sales are generated, and the encoder starts from "
    "random weights. It shows how the pieces work together, not how good beekit is on your data."
)


def run_quickstart(out: str | Path, *, seed: int = 0) -> RunFolder:
    """Generate the shop and a tiny encoder, fine-tune it, and leave a complete run folder.

    Shop and encoder go to `<out>/quickstart`, so that the run can be resumed, indexed again or
    varied with `beekit train <out>/config.yaml out=...`.

    Raises:
        RunError: the folder holds a finished run or other files.
    """
    folder = RunFolder(Path(out))
    made = folder.quickstart
    folder.require_unfinished()
    print(f"{_NOTE}\n")
    shop = make_shop(seed=seed)
    shop.save(made / "shop")
    with replacing_folder(made / "encoder") as staging:
        build_encoder(shop.texts, seed=seed).save(str(staging))
    config = make_config(
        {
            "data": str(made / "shop"),
            "out": str(folder.path),
            "encoder": str(made / "encoder"),
            "text": "{text}",
            "note": _NOTE,
            "split": {"kind": "cold_start", "fraction": 0.2, "seed": 42},
            "training": {
                "users_per_step": 256,
                "items_per_step": 400,
                "learning_rate": 2e-3,
                "max_steps": 320,
            },
        }
    )
    train(config)
    split = load_split(folder.split, load_dataset(config).interactions)
    if split.test is not None:
        cold = split.test.candidates
        pretrained = embed_items(load_encoder(made / "encoder"), shop.texts)
        tuned = embed_items(load_encoder(folder.model), shop.texts)
        draw_before_after(
            pretrained[cold],
            tuned[cold],
            shop.series[cold],
            shop.kinds[cold],
            folder.path / "before_after.svg",
        )
    print_summary(folder)
    print(
        f"picture {folder.path / 'before_after.svg'}\n"
        "next    your own data, with a real encoder:\n"
        "        beekit train train/recipes/ml1m.yaml data=DIR "
        "encoder=sentence-transformers/all-MiniLM-L6-v2 out=RUN"
    )
    return folder
