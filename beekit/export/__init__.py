"""Exporting a run's encoder or items to files that can be used without beekit, with a check."""

from beekit.export.export_run import FORMATS, Exported, export

__all__ = ["FORMATS", "Exported", "export"]
