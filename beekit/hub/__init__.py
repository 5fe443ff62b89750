"""What leaves the machine: model cards."""

from beekit.hub.card import render_card, write_card

__all__ = ["render_card", "write_card"]
