"""The report of a run: one HTML page that opens offline, made from `results.json` alone."""

from beekit.report.export import write_tables
from beekit.report.report import render_report, write_report

__all__ = ["render_report", "write_report", "write_tables"]
