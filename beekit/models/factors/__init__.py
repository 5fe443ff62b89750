"""Models that give every item and every user a short vector."""
