"""Models that know items by content, and so recommend items nobody has touched yet."""
