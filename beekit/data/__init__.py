"""Dataset folders as interactions X and a catalog of items."""

from typing import TYPE_CHECKING

from beekit.lazy_names import lazy_names

if TYPE_CHECKING:
    from beekit.data.catalog import Catalog
    from beekit.data.dataset import Dataset
    from beekit.data.interactions import Interactions
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        catalog="Catalog",
        dataset="Dataset",
        interactions="Interactions",
    )

__all__ = ["Catalog", "Dataset", "Interactions"]
