"""Model cards, and pushing runs to and pulling them from the Hugging Face Hub."""

from beekit.hub.card import render_card, write_card

__all__ = ["render_card", "write_card"]
