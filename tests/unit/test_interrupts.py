"""Interrupts of a command are not lost, at any point."""

import os
import signal
import threading

import pytest

from pipeline.terminal.interrupts import check, remembered


class Interrupted:
    """Is interrupted in its finalizer, where no exception can be raised."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait(0.01)


def test_an_interrupt_in_a_finalizer_is_raised_at_the_next_check_and_not_printed(capfd):
    with remembered():
        Interrupted()
        with pytest.raises(KeyboardInterrupt):
            check()
    assert capfd.readouterr().err == ""


def test_other_exceptions_of_a_finalizer_are_printed(monkeypatch):
    class Failing:
        def __del__(self):
            raise ValueError("in a finalizer")

    said = []
    monkeypatch.setattr("sys.unraisablehook", said.append)
    with remembered():
        Failing()
    assert [lost.exc_type for lost in said] == [ValueError]
