"""The folder of a dataset: one on this machine, or one of the Hub, fetched first."""

from __future__ import annotations

import logging
from pathlib import Path

from beekit.data_folder import dataset_name, on_hub
from beekit.errors import DataError

logger = logging.getLogger(__name__)


def dataset_folder(named: str | Path) -> tuple[Path, str]:
    """The folder that a dataset lies in, and what the dataset is called.

    Raises:
        DataError: if a dataset of the Hub is named in another way than `hf://datasets/user/name`,
            perhaps with `@revision` behind it, or if it cannot be fetched and is not in the cache.
    """
    found = on_hub(named)
    if found is None:
        return Path(named), dataset_name(named)
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(found["repo"], repo_type="dataset", revision=found["revision"])
    except Exception as error:  # of the network, the Hub, or the cache: many, none of them ours
        said = (str(error).splitlines() or [""])[0][:200]
        raise DataError(
            f"{named} cannot be fetched from the Hub, and is not in the cache "
            f"({type(error).__name__}: {said})",
            expected="a dataset that you may read, and a network",
            remedy="Check the name and HF_HUB_OFFLINE, or download it and name the folder.",
        ) from error
    logger.info("%s is in %s", named, folder)
    return Path(folder), dataset_name(named)
