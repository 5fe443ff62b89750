"""FAISS indexes over item vectors."""

from beekit.index.item_index import ItemIndex

__all__ = ["ItemIndex"]
