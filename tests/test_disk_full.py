"""A full disk, by whatever library it is said."""

from __future__ import annotations

import errno
import resource
import signal
from contextlib import contextmanager

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from beekit.disk_full import full_path, is_disk_full
from beekit.exit_codes import exit_code

NUMBERS = np.arange(50_000, dtype=np.float32)


def write_index(path):
    index = faiss.IndexFlatIP(50)
    index.add(NUMBERS.reshape(-1, 50))
    faiss.write_index(index, path)


def write_tokenizer(path):
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel

    words = {f"word {number}": number for number in range(5_000)}
    Tokenizer(WordLevel(words, unk_token="word 0")).save(path)


WRITERS = {
    "torch": lambda path: torch.save({"a": torch.as_tensor(NUMBERS)}, path),
    "safetensors": lambda path: save_file({"a": torch.as_tensor(NUMBERS)}, path),
    "numpy": lambda path: np.save(path, NUMBERS),
    "numpy archive": lambda path: np.savez(path, NUMBERS),
    "parquet": lambda path: pq.write_table(pa.table({"a": NUMBERS}), path, compression="none"),
    "faiss": write_index,
    "tokenizer": write_tokenizer,
}


@contextmanager
def small_files():
    """Within it files cannot grow beyond 20 kB: for every writer like a disk without room.

    No fixture, within which pytest would write to its own output, which may be a larger file.
    """
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("library", WRITERS)
def test_every_writer_that_has_no_room_says_so_in_one_line(library, tmp_path, capfd):
    def work():
        WRITERS[library](str(tmp_path / "file.npz"))

    with small_files():
        assert exit_code("beekit", work, room="room for it. Free some.") == 2
    said = capfd.readouterr().err
    assert said.endswith("the disk is full; expected room for it. Free some.\n")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "said",
    [
        "Error while serializing: I/O error: No space left on device (os error 28)",
        "Error in faiss: write error in x: 65491 != 512000 (No space left on device)",
        "[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534",
        "Disk quota exceeded (os error 122)",
    ],
)
def test_libraries_without_error_numbers_are_understood(said):
    assert is_disk_full(RuntimeError(said))


def test_what_caused_an_error_counts_and_an_error_of_its_own_does_not():
    wrapped = RuntimeError("cannot be saved")
    wrapped.__cause__ = OSError(errno.ENOSPC, "No space left", "/a/file")
    assert is_disk_full(wrapped)
    assert full_path(wrapped) == "/a/file"
    assert not is_disk_full(OSError(errno.EACCES, "Permission denied"))
    assert not is_disk_full(ValueError("unexpected pos"))
