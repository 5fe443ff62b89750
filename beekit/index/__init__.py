"""FAISS indexes over item vectors."""

from beekit.index.approximate import Effort
from beekit.index.item_index import ItemIndex
from beekit.index.measure import IndexQuality, measure_index

__all__ = ["Effort", "IndexQuality", "ItemIndex", "measure_index"]
