"""Exporting a run's encoder or items to files that can be used without beekit, with a check."""

from typing import TYPE_CHECKING

from beekit.lazy_names import lazy_names

if TYPE_CHECKING:
    from beekit.export.export_run import FORMATS, Exported, export
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        export_run="FORMATS Exported export",
    )

__all__ = ["FORMATS", "Exported", "export"]
