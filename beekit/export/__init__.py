"""Exports: a run's encoder and items as files that serve without beekit, checked against it."""

from beekit.export.export_run import FORMATS, Exported, export

__all__ = ["FORMATS", "Exported", "export"]
