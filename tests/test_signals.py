"""Being told to end: put in order at once, or after the step at hand."""

from __future__ import annotations

import contextlib
import os
import signal
import time

import pytest

from beekit import signals
from beekit.exit_codes import exit_code
from beekit.signals import Deferred, Terminated, ending_raises


@pytest.fixture(autouse=True)
def handlers():
    """As of a process in the foreground, and the same at the end."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    assert {number: signal.getsignal(number) for number in usual} == usual
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def each_counts(monkeypatch):
    """However soon one comes after the other."""
    monkeypatch.setattr(signals, "_ECHO", 0.0)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_command_ends_with_a_line_and_the_usual_code(number, code, word, capsys):
    assert exit_code("beekit", lambda: send(number), room="room") == code
    said = capsys.readouterr().err
    assert said == f"beekit: {word}; the same command goes on where it stopped\n"


def test_an_interrupt_that_a_library_catches_is_raised_again(monkeypatch, capsys):
    monkeypatch.setattr(signals, "_AGAIN", 0.02)
    put_in_order = []

    def work():
        with contextlib.suppress(BaseException):
            send(signal.SIGTERM)
        try:
            time.sleep(10)
        finally:
            time.sleep(0.1)  # is not interrupted
            put_in_order.append(True)

    assert exit_code("beekit", work, room="room") == 143
    assert put_in_order == [True]
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_waits_and_the_second_does_not(number, capfd):
    ending, steps = Deferred("ending soon"), []
    with ending_raises():
        with ending():
            assert ending.due is None
            ending.deliver()
            send(number)
            steps.append("finished")
            assert ending.due == number
            with pytest.raises(KeyboardInterrupt):
                send(number)
        with ending(), pytest.raises(KeyboardInterrupt) as delivered:
            ending.deliver()
    assert steps == ["finished"]
    assert isinstance(delivered.value, Terminated) == (number == signal.SIGTERM)
    name = signal.Signals(number).name
    assert capfd.readouterr().err == f"{name}: ending soon; a second one stops at once\n"


def test_a_signal_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        ending = Deferred("ending soon")
        with ending():
            send(signal.SIGINT)
            assert ending.due is None
    finally:
        signal.signal(signal.SIGINT, before)


def test_where_nobody_handles_it_a_delivered_signal_ends_the_process():
    if (child := os.fork()) == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        ending = Deferred("ending soon")
        with ending():
            send(signal.SIGTERM)
            ending.deliver()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM


def test_a_worker_ignores_the_first_and_ends_with_the_second():
    ending = Deferred("ending soon")
    with ending():
        if (child := os.fork()) == 0:
            send(signal.SIGTERM)
            send(signal.SIGTERM)
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 128 + signal.SIGTERM


def test_a_signal_that_comes_twice_at_once_is_one(monkeypatch, capsys):
    """As from `timeout`, which sends one to the process and one to its group."""
    monkeypatch.setattr(signals, "_ECHO", 0.2)
    ending, steps = Deferred("ending soon"), []

    def work():
        with ending():
            send(signal.SIGTERM)
            send(signal.SIGTERM)
            steps.append("finished")
            time.sleep(0.3)
            try:
                send(signal.SIGTERM)
                steps.append("not reached")
            finally:
                send(signal.SIGTERM)
                steps.append("put in order")

    assert exit_code("beekit", work, room="room") == 143
    assert steps == ["finished", "put in order"]


def test_a_worker_takes_two_at_once_for_one(monkeypatch):
    monkeypatch.setattr(signals, "_ECHO", 0.2)
    ending = Deferred("ending soon")
    with ending():
        if (child := os.fork()) == 0:
            send(signal.SIGTERM)
            send(signal.SIGTERM)
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
