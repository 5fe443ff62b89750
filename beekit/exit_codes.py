"""How commands and scripts end: an exit code, and one line on standard error about an error."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

from beekit.disk_full import full_path, is_disk_full
from beekit.errors import BeekitError
from beekit.progress import end_bars
from beekit.signals import Terminated, ending_raises

_GOES_ON = "the same command goes on where it stopped"


def exit_code(name: str, work: Callable[[], object], *, room: str) -> int:
    """Run the work of the command or script `name`. Errors that a user cannot fix are not caught.

    `room` is the end of the message for a full disk: what it must have room for, and what to do, as
    in "room for another copy of the items table. Free some space; answers so far are kept."

    Returns:
        0 on success, 2 after a line about an error that the user can fix, 130 if interrupted
        (SIGINT), 143 if terminated (SIGTERM).
    """
    try:
        with ending_raises():
            work()
    except Terminated:
        return _say(name, f"terminated; {_GOES_ON}", 128 + signal.SIGTERM)
    except KeyboardInterrupt:
        return _say(name, f"interrupted; {_GOES_ON}", 128 + signal.SIGINT)
    except Exception as error:
        line = _what_to_mend(error, room)
        if line is None:
            raise
        return _say(name, line)
    return 0


def in_one_line(text: str) -> str:
    """The text with a space for each character that would break the line in a terminal."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _what_to_mend(error: Exception, room: str) -> str | None:
    """The line for an error that a user can mend; None for any other."""
    if is_disk_full(error):
        path = full_path(error)
        return f"{path + ': ' if path else ''}the disk is full; expected {room}"
    if isinstance(error, BeekitError):
        return str(error)
    if isinstance(error, UnicodeDecodeError):
        return f"{error}; expected UTF-8. Convert the file, or give another one."
    if isinstance(error, OSError):
        at = f"{error.filename}: " if error.filename else ""
        return (
            f"{at}{error.strerror or error}; expected a path that can be read and written. "
            "Check it and its permissions."
        )
    if isinstance(error, MemoryError):  # also raised by Arrow
        reason = f" ({error})" if str(error) else ""
        return f"out of memory{reason}; expected some gigabytes. Free some."
    return None


def _say(name: str, line: str, code: int = 2) -> int:
    end_bars()
    print(in_one_line(f"{name}: {line}"), file=sys.stderr)
    return code
