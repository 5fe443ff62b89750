"""What the files in the folder of an index are called."""

# Item ids, factory, effort and digests: without it there is no index.
INDEX = "index.json"
ITEM_VECTORS = "items.faiss"
USER_SIDE = "users.faiss"
# The trained index, of a factory other than "Flat".
APPROXIMATE = "approximate.faiss"
# What each item is called, and whether training knew it.
ITEMS = "items.parquet"
# What of the vectors comes from the text, of encoders that read text and picture.
TEXT_PART = "text_part.npy"
