"""Dataset folders as interactions X and a catalog of items."""

from beekit.data.catalog import Catalog
from beekit.data.dataset import Dataset
from beekit.data.interactions import Interactions

__all__ = ["Catalog", "Dataset", "Interactions"]
