"""The report of a run: one HTML page that opens offline, made from `results.json` alone."""

from beekit.report.report import render_report, write_report
from beekit.report.table_files import write_tables

__all__ = ["render_report", "write_report", "write_tables"]
