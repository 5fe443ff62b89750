"""Autoencoders: networks that reconstruct a user's history."""
