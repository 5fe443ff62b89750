"""Whether an error says that a disk is full, whichever library raised it.

A limit on the size of files (`ulimit -f`) is told like a disk: there is no room for the file.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator

_NUMBERS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# What libraries that raise errors without a number say: of the system's reason (Arrow, safetensors,
# tokenizers, FAISS), and of a file that they could not write whole (torch, numpy).
_SAID = re.compile(
    r"No space left|[Dd]isk quota exceeded|File too large|os error (27|28|122)\b|"
    r"inline_container\.cc.*unexpected pos|PytorchStreamWriter failed writing|"
    r"\d+ requested and \d+ written"
)


def is_disk_full(error: BaseException) -> bool:
    """True if an error, or what caused it, is a disk without room, or a quota that is used up."""
    return any(
        (isinstance(one, OSError) and one.errno in _NUMBERS) or _SAID.search(str(one))
        for one in _causes(error)
    )


def full_path(error: BaseException) -> str | None:
    """The file that there was no room for, if the error says which."""
    for one in _causes(error):
        if isinstance(one, OSError) and one.errno in _NUMBERS and one.filename:
            return str(one.filename)
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
