"""Splits of X into training and held-out parts; each split has a hash and can be saved."""

from typing import TYPE_CHECKING

from beekit.lazy_names import lazy_names

if TYPE_CHECKING:
    from beekit.split.cold_start import cold_start_split
    from beekit.split.config import SplitConfig
    from beekit.split.kinds import make_split, said_of
    from beekit.split.published import published_split
    from beekit.split.random_share import random_split
    from beekit.split.split import HeldOut, Split, load_split, load_training_item_ids
    from beekit.split.time import time_split
    from beekit.split.users import user_split
    from beekit.split.zero_shot import zero_shot_split
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        cold_start="cold_start_split",
        config="SplitConfig",
        kinds="make_split said_of",
        published="published_split",
        random_share="random_split",
        split="HeldOut Split load_split load_training_item_ids",
        time="time_split",
        users="user_split",
        zero_shot="zero_shot_split",
    )

__all__ = [
    "HeldOut",
    "Split",
    "SplitConfig",
    "cold_start_split",
    "load_split",
    "load_training_item_ids",
    "make_split",
    "published_split",
    "random_split",
    "said_of",
    "time_split",
    "user_split",
    "zero_shot_split",
]
