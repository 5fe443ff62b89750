"""Models that know items by their content, and so can recommend items without interactions."""
