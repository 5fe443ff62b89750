"""Search of item vectors by FAISS, exact and approximate."""

from typing import TYPE_CHECKING

from beekit.lazy_names import lazy_names

if TYPE_CHECKING:
    from beekit.index.approximate import Effort
    from beekit.index.item_index import ItemIndex
    from beekit.index.measure import IndexQuality, measure_index
    from beekit.index.vector_search import VectorSearch
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        approximate="Effort",
        item_index="ItemIndex",
        measure="IndexQuality measure_index",
        vector_search="VectorSearch",
    )

__all__ = ["Effort", "IndexQuality", "ItemIndex", "VectorSearch", "measure_index"]
