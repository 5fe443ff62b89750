"""Linear item-item models: scores X B, with B dense, sparse or a product of two narrow matrices."""
