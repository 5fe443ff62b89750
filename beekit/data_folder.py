"""Whether a dataset folder is there: asked before libraries that read tables are imported."""

from __future__ import annotations

from pathlib import Path

from beekit.errors import DataError


def require_data_folder(folder: str | Path) -> None:
    """Refuse a dataset folder that is not there, or is none."""
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(
            f"{folder}, which is no folder" if folder.exists() else f"no folder {folder}",
            expected="a dataset folder with interactions.parquet|csv and items.parquet|csv",
            remedy="Check the path given as `data`.",
        )
