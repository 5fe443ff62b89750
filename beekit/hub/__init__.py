"""What leaves the machine, and comes back: model cards, and runs on the Hub."""

from beekit.hub.card import render_card, write_card

__all__ = ["render_card", "write_card"]
