"""Factor models: every item and every user has a short vector."""
