"""A publisher on this machine, and no waiting between tries."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from raw_server import RawServer


@pytest.fixture
def publisher(monkeypatch) -> Iterator[RawServer]:
    """A server without files; downloads wait for nothing."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("beekit.prepare.download.time.sleep", lambda seconds: None)
    with RawServer() as server:
        yield server
