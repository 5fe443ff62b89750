"""How commands and scripts end: an exit code, and one line on standard error about an error."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable

from beekit.errors import BeekitError
from beekit.progress import end_bars


def exit_code(name: str, work: Callable[[], object], *, room: str) -> int:
    """Run the work of the command or script `name`. Errors that a user cannot fix are not caught.

    `room` is the end of the message for a full disk: what it must have room for, and what to do, as
    in "room for another copy of the items table. Free some space; answers so far are kept."

    Returns:
        0 on success, 2 after a line about an error that the user can fix, 130 if interrupted.
    """
    try:
        work()
    except KeyboardInterrupt:
        return _say(name, "interrupted; the same command goes on where it stopped", 130)
    except BeekitError as error:
        return _say(name, str(error))
    except (OSError, UnicodeDecodeError) as error:
        return _say(name, _path_or_room(error, room))
    except MemoryError as error:  # also raised by Arrow
        reason = f" ({error})" if str(error) else ""
        return _say(name, f"out of memory{reason}; expected some gigabytes. Free some.")
    return 0


def in_one_line(text: str) -> str:
    """The text with a space for each character that would break the line in a terminal."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _path_or_room(error: OSError | UnicodeDecodeError, room: str) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"{error}; expected UTF-8. Convert the file, or give another one."
    at = f"{error.filename}: " if error.filename else ""
    # Arrow raises errors without an error number.
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
        return f"{at}the disk is full; expected {room}"
    return (
        f"{at}{error.strerror or error}; expected a path that can be read and written. "
        "Check it and its permissions."
    )


def _say(name: str, line: str, code: int = 2) -> int:
    end_bars()
    print(in_one_line(f"{name}: {line}"), file=sys.stderr)
    return code
