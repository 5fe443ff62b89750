"""The main job on a synthetic shop, from nothing to a report."""

from __future__ import annotations

from pathlib import Path

from beekit.errors import RunError
from beekit.files import replacing_folder
from beekit.quickstart.encoder import build_encoder
from beekit.quickstart.shop import make_shop
from beekit.run.config import make_config
from beekit.run.folder import RunFolder
from beekit.run.summary import print_summary
from beekit.run.train import train

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
    if folder.results.is_file():
        raise RunError(
            f"{folder.path} holds a finished run",
            expected="a new folder, or an unfinished quickstart",
            remedy="Remove it, or choose another with --out DIR.",
        )
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
                "mini_batch_tokens": 4096,
                "learning_rate": 2e-3,
                "max_steps": 160,
            },
        }
    )
    train(config)
    print_summary(folder)
    print(
        "next    your own data, with a real encoder:\n"
        "        beekit train train/recipes/ml1m.yaml data=DIR "
        "encoder=sentence-transformers/all-MiniLM-L6-v2 out=RUN"
    )
    return folder
