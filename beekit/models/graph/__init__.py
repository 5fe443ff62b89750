"""Models that see interactions as a graph of users and items."""
