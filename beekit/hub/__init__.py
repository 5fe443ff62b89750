"""What leaves the machine, and comes back: model cards, and runs on the Hub."""

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
