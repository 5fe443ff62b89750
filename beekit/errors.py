"""Errors that a user can fix: one line with what was found, what was expected and what to do."""

from __future__ import annotations


class BeekitError(Exception):
    """Base class of all errors that beekit raises on purpose; on the command line, exit code 2.

    Args:
        found: what was found, with names and numbers.
        expected: what was expected instead.
        remedy: what the user can do, as a sentence.
    """

    def __init__(self, found: str, *, expected: str, remedy: str) -> None:
        self.found = found
        self.expected = expected
        self.remedy = remedy
        super().__init__(f"{found}; expected {expected}. {remedy}")


class DataError(BeekitError):
    """A dataset folder or an array does not hold what is needed."""


class SplitError(BeekitError):
    """A split cannot be made from these interactions, or cannot be loaded."""


class ConfigError(BeekitError):
    """A setting, a key of a configuration or an argument cannot be used; or training diverged."""


class EncoderError(BeekitError):
    """The encoder cannot be loaded, or cannot embed this catalog."""


class RunError(BeekitError):
    """A run folder, or a file in it, is missing, unfinished, broken or already in use."""


class DescribeError(BeekitError):
    """A language model does not answer, or its answers belong to another question."""


class HubError(BeekitError):
    """The Hub cannot be reached, refuses a request, or holds something unexpected."""


class DownloadError(BeekitError):
    """A file cannot be downloaded, or has another checksum than expected."""


class ExportError(BeekitError):
    """A run cannot be exported, or the export does not give the results of the run."""
