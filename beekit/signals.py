"""What a process does when it is told to end: SIGINT (Ctrl-C) and SIGTERM (a scheduler)."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

_Handler = Callable[[int, FrameType | None], Any]
_ENDING = (signal.SIGINT, signal.SIGTERM)
# A signal that comes again this soon is no second one: `timeout` sends one to a process, and one to
# its group.
_ECHO = 0.3
# Seconds until an interrupt that nobody has ended with is raised again.
_AGAIN = 2.0


class Terminated(KeyboardInterrupt):
    """SIGTERM reached a process that puts things in order before it ends, as after Ctrl-C."""


class _Echoes:
    """Tells signals that come twice at once from those that are sent again."""

    def __init__(self) -> None:
        self._last: dict[int, float] = {}

    def has(self, number: int) -> bool:
        """Whether a signal that comes now is the echo of one before."""
        now = time.monotonic()
        before, self._last[number] = self._last.get(number), now
        return before is not None and now - before < _ECHO


@contextmanager
def ending_raises() -> Iterator[None]:
    """Within it, SIGINT raises KeyboardInterrupt and SIGTERM raises `Terminated`.

    So what was begun is put in order. Some library code catches whatever is raised, at its import
    above all, and goes on: then the same is raised again a moment later. Without effect outside of
    the main thread, which alone may set handlers, and where a signal is ignored or handled
    otherwise.
    """
    told: list[type[KeyboardInterrupt]] = []
    echoes = _Echoes()

    def end(number: int, frame: FrameType | None) -> None:
        if echoes.has(number):
            return
        told.append(Terminated if number == signal.SIGTERM else KeyboardInterrupt)
        if repeats:
            signal.setitimer(signal.ITIMER_REAL, _AGAIN)
        raise told[-1]

    def again(number: int, frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, _AGAIN)
        if not _in_order(sys.exception()):
            raise told[-1]

    usual = (signal.SIG_DFL, signal.default_int_handler)
    with (
        _handled({signal.SIGALRM: again}, lambda handler: handler is signal.SIG_DFL) as repeats,
        _handled(dict.fromkeys(_ENDING, end), lambda handler: handler in usual),
    ):
        try:
            yield
        finally:
            if repeats:
                signal.setitimer(signal.ITIMER_REAL, 0)


def _in_order(error: BaseException | None) -> bool:
    """Whether an interrupt is on its way out: what is going on is a `finally`."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False


class Deferred:
    """Within it, the first SIGINT or SIGTERM is noted, so that a step can be finished and saved.

    `due` is that signal, or None; `deliver` lets it do what it would have done. A second signal is
    not waited with. Without effect outside of the main thread. Forked workers, which get the
    signals of a terminal too, ignore the first one and end with the second.

    Args:
        notice: what to tell on standard error when it is noted.
    """

    def __init__(self, notice: str) -> None:
        self.due: int | None = None
        self._notice = notice
        self._earlier: dict[int, Any] = {}
        self._owner = os.getpid()
        self._seen_in_worker = False
        self._echoes = _Echoes()

    @contextmanager
    def __call__(self) -> Iterator[Deferred]:
        handlers: dict[signal.Signals, _Handler] = dict.fromkeys(_ENDING, self._note)
        with _handled(handlers, lambda handler: handler is not signal.SIG_IGN) as self._earlier:
            yield self

    def deliver(self) -> None:
        """Let the signal that was noted, if any, end what is going on."""
        if self.due is not None:
            self._pass_on(self.due, None)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._echoes.has(number):
            return
        if os.getpid() != self._owner:
            if self._seen_in_worker:
                os._exit(128 + number)
            self._seen_in_worker = True
            return
        if self.due is not None:
            self._pass_on(number, frame)
            return
        self.due = number
        said = f"{signal.Signals(number).name}: {self._notice}; a second one stops at once\n"
        with suppress(OSError):
            os.write(2, said.encode())  # a stream must not be written to from a handler

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        earlier = self._earlier.get(number, signal.SIG_DFL)
        if callable(earlier):
            earlier(number, frame)
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


def ignore_first_in_worker(worker: int, before: Callable[[int], object] | None = None) -> None:
    """Have a worker of a DataLoader ignore the first SIGINT or SIGTERM and end with the second.

    A signal to a whole process group reaches workers too, and one that ended with it would disturb
    the step that its parent is finishing. For `worker_init_fn`: by then PyTorch has set its own
    handler.

    Args:
        worker: number of the worker.
        before: what else there is to do in the worker first, such as seeding it.
    """
    if before is not None:
        before(worker)
    seen: list[int] = []
    echoes = _Echoes()

    def note(number: int, frame: FrameType | None) -> None:
        if echoes.has(number):
            return
        if seen:
            os._exit(128 + number)
        seen.append(number)

    for number in _ENDING:
        ignored = signal.getsignal(number) is signal.SIG_IGN
        signal.signal(number, signal.SIG_IGN if ignored else note)


@contextmanager
def _handled(
    handlers: dict[signal.Signals, _Handler], replaces: Callable[[Any], bool]
) -> Iterator[dict[int, Any]]:
    """Set handlers in place of those that may be replaced; gives what was there before."""
    earlier: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():
            before = signal.getsignal(number)
            # None is a handler that was not set by Python, and could not be set again.
            if before is not None and replaces(before):
                earlier[number] = signal.signal(number, handler)
    try:
        yield earlier
    finally:
        for had, before in earlier.items():
            signal.signal(had, before)
