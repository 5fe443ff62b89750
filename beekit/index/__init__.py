"""Search of item vectors by FAISS, exact and approximate."""

from beekit.index.approximate import Effort
from beekit.index.item_index import ItemIndex
from beekit.index.measure import IndexQuality, measure_index
from beekit.index.vector_search import VectorSearch

__all__ = ["Effort", "IndexQuality", "ItemIndex", "VectorSearch", "measure_index"]
