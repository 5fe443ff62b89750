"""One line and an exit code for what the user can mend; a traceback for anything else."""

from __future__ import annotations

import errno

import pyarrow as pa
import pytest

from beekit.errors import DataError
from beekit.exit_codes import exit_code

ROOM = "room for the table. Free some."


def ends(capsys, error):
    def work():
        if error:
            raise error

    code = exit_code("script", work, room=ROOM)
    captured = capsys.readouterr()
    assert captured.out == ""
    return code, captured.err


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (KeyboardInterrupt(), 130, "interrupted; the same command goes on where it stopped"),
        (DataError("a\nb", expected="c", remedy="D."), 2, "a b; expected c. D."),
        (OSError(errno.ENOSPC, "No space", "x"), 2, f"x: the disk is full; expected {ROOM}"),
        (OSError(errno.EDQUOT, "Quota"), 2, f"the disk is full; expected {ROOM}"),
        (OSError("Arrow: No space left on device"), 2, f"the disk is full; expected {ROOM}"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/x"),
            2,
            "/x: Permission denied; expected a path that can be read and written. "
            "Check it and its permissions.",
        ),
        (pa.ArrowMemoryError("9 bytes"), 2, "out of memory (9 bytes); expected some gigabytes. "),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), 2, "expected UTF-8. Convert"),
    ],
)
def test_what_can_be_mended_is_one_line(capsys, error, code, line):
    found, printed = ends(capsys, error)
    assert found == code
    assert printed.startswith("script: ")
    assert line in printed
    assert printed.count("\n") == 1


def test_success_is_silent_and_other_errors_go_through(capsys):
    assert ends(capsys, None) == (0, "")
    with pytest.raises(ZeroDivisionError):
        ends(capsys, ZeroDivisionError())


def test_a_line_is_one_line_whatever_it_names():
    from beekit.exit_codes import in_one_line

    assert in_one_line("a\nb\r\u2028c\x1b[31m\x85d \ud800é") == "a b  c [31m d  é"
