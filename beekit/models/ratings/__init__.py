"""Models that predict ratings, by factors, networks and means."""
