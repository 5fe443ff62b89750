"""The names of the files in the folder of an index."""

# Item ids, factory, effort and digests. A folder without it holds no index.
INDEX = "index.json"
ITEM_VECTORS = "items.faiss"
USER_SIDE = "users.faiss"
# The trained FAISS index, if the factory is not "Flat".
APPROXIMATE = "approximate.faiss"
# The name of each item, and whether it is a cold item.
ITEMS = "items.parquet"
# For encoders that read text and picture: the part of the vectors that comes from the text.
TEXT_PART = "text_part.npy"
