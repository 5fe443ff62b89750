"""Errors a user can mend: one line on what was found, what was expected and what to do."""

from __future__ import annotations


class BeekitError(Exception):
    """Base of every error beekit raises on purpose; the command line turns it into exit code 2.

    Args:
        found: what was met, with names and numbers.
        expected: what would have been right.
        remedy: what the user can do now.
    """

    def __init__(self, found: str, *, expected: str, remedy: str) -> None:
        self.found = found
        self.expected = expected
        self.remedy = remedy
        super().__init__(f"{found}; expected {expected}. {remedy}")


class DataError(BeekitError):
    """The dataset folder or the arrays given do not hold what the data model needs."""


class SplitError(BeekitError):
    """The split asked for cannot be made from these interactions."""


class ConfigError(BeekitError):
    """A configuration key or value is not one beekit knows."""


class EncoderError(BeekitError):
    """The encoder cannot be loaded, or cannot embed this catalog."""


class RunError(BeekitError):
    """A run folder is missing, unfinished or already taken."""


class DescribeError(BeekitError):
    """The language model does not answer, or its answers belong to another question."""


class HubError(BeekitError):
    """The Hub cannot be reached, refuses, or holds something else than was expected."""


class DownloadError(BeekitError):
    """A file cannot be fetched, or is not the one its publisher vouches for."""


class ExportError(BeekitError):
    """A run cannot be exported, or what was exported does not answer as the run does."""
