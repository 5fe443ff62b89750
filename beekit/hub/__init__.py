"""Model cards, and pushing runs to and pulling them from the Hugging Face Hub."""

from typing import TYPE_CHECKING

from beekit.lazy_names import lazy_names

if TYPE_CHECKING:
    from beekit.hub.card import render_card, write_card
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        card="render_card write_card",
    )

__all__ = ["render_card", "write_card"]
