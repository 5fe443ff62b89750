"""The report of a run: one HTML page that opens offline, made from `results.json` alone."""

from typing import TYPE_CHECKING

from beekit.lazy_names import lazy_names

if TYPE_CHECKING:
    from beekit.report.report import render_report, write_report
    from beekit.report.table_files import write_tables
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        report="render_report write_report",
        table_files="write_tables",
    )

__all__ = ["render_report", "write_report", "write_tables"]
