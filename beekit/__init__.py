"""beekit: teach encoders what people use together, and recommend items without interactions.

Names are imported when first used, so `import beekit` is instant and needs neither torch nor faiss.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from beekit import encoder_modules
from beekit.lazy_names import lazy_names

if TYPE_CHECKING:
    from beekit.data import Catalog, Dataset, Interactions
    from beekit.encoders import ItemPairs, ItemPixels, embed_items, fuse, load_encoder
    from beekit.evaluation import HeldOutEvaluator, evaluate
    from beekit.index import ItemIndex
    from beekit.memory import keep_freed_memory
    from beekit.split import cold_start_split, load_split, time_split, user_split
    from beekit.training import BeeFormerTrainer, BeeFormerTrainingArguments, ELSALoss
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        data="Catalog Dataset Interactions",
        split="cold_start_split load_split time_split user_split",
        encoders="ItemPairs ItemPixels embed_items fuse load_encoder",
        memory="keep_freed_memory",
        training="BeeFormerTrainer BeeFormerTrainingArguments ELSALoss",
        index="ItemIndex",
        evaluation="HeldOutEvaluator evaluate",
    )

__version__ = "0.1.0"

sys.modules.setdefault(encoder_modules.NAMESPACE, encoder_modules)  # so that our saved models load

__all__ = [
    "BeeFormerTrainer",
    "BeeFormerTrainingArguments",
    "Catalog",
    "Dataset",
    "ELSALoss",
    "HeldOutEvaluator",
    "Interactions",
    "ItemIndex",
    "ItemPairs",
    "ItemPixels",
    "cold_start_split",
    "embed_items",
    "evaluate",
    "fuse",
    "keep_freed_memory",
    "load_encoder",
    "load_split",
    "time_split",
    "user_split",
]
