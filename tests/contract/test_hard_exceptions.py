"""Exceptions that are hard to pickle: their task fails with all that can be pickled, and the worker survives."""

import os
import sys
import threading
from dataclasses import dataclass

import pytest

from runtime import Executor, Worker
from runtime.errors import PartialFailureError
from runtime.pickles.outcomes import RemoteTraceback


class Mute(Exception):
    """Has no text: its ``__str__`` raises."""

    def __str__(self):
        raise RuntimeError("no words")


class Escaping(Exception):
    """Its ``__str__`` exits the interpreter."""

    def __str__(self):
        raise SystemExit(3)


@dataclass(frozen=True)
class Frozen(Exception):
    """A frozen dataclass: no attribute can be set."""

    code: int


class Sealed(Exception):
    """Its ``__setattr__`` refuses every attribute."""

    def __setattr__(self, name, value):
        raise TypeError(f"{name} cannot be set")


class Silent(Exception):
    """Refuses notes."""

    def add_note(self, note):
        raise ValueError("no notes")


class Odd(Exception):
    """Its notes are no list."""

    def __init__(self, text):
        super().__init__(text)
        self.__notes__ = "mine"


class Impostor(Exception):
    """Unpickles to an object that cannot be raised."""

    def __reduce__(self):
        return str, ("not an exception",)


class Leaving(Exception):
    """Exits the interpreter that unpickles it."""

    def __reduce__(self):
        return exit_with, (4,)


class Unpickled(Exception):
    """Exits the interpreter that pickles it."""

    def __reduce__(self):
        raise SystemExit(5)


class Demanding(Exception):
    """Can be pickled but not unpickled: its class needs more arguments than its args."""

    def __init__(self, text, more):
        super().__init__(text)


class OtherText(str):
    """A str subclass whose names and module are wrong."""


OtherText.__module__ = "nowhere"


class Worded(Exception):
    """Its text is an object of a str subclass."""

    def __str__(self):
        return OtherText("worded")

    def __reduce__(self):
        raise TypeError("stays")


class Curious(Exception):
    """Raises an error of its own for every missing attribute."""

    def __getattr__(self, name):
        raise KeyError(name)

    def __reduce__(self):
        raise TypeError("stays")


class Moody(type):
    """A metaclass that raises when the class's names are read."""

    def __getattribute__(cls, name):
        if name in ("__name__", "__qualname__", "__module__"):
            raise RuntimeError("no name")
        return super().__getattribute__(name)


class Nameless(Exception, metaclass=Moody):
    """An exception whose class has that metaclass."""

    def __reduce__(self):
        raise TypeError("stays")


def exit_with(status):
    raise SystemExit(status)


def itself():
    error = ValueError()
    error.args = (error,)
    return error


def in_a_circle():
    error, other = ValueError("first"), ValueError("second")
    error.__cause__, other.__cause__ = other, error
    return error


HARD = {
    "mute": (lambda: Mute("the text"), Mute, None),
    "mute and unpicklable": (lambda: Mute("the text", threading.Lock()), RuntimeError, "Mute: ('the text', <unlocked"),
    "escaping": (lambda: Escaping("the text"), Escaping, None),
    "frozen": (lambda: Frozen(7), Frozen, "7"),
    "sealed": (lambda: Sealed("the text"), Sealed, "the text"),
    "silent": (lambda: Silent("the text"), Silent, "the text"),
    "odd notes": (lambda: Odd("the text"), Odd, "the text"),
    "impostor": (lambda: Impostor("the text"), Impostor, "the text"),
    "leaving": (lambda: Leaving("the text"), Leaving, "the text"),
    "unpickled": (lambda: Unpickled("the text"), Unpickled, "the text"),
    "demanding": (lambda: Demanding("the text", 1), Demanding, "the text"),
    "worded": (lambda: Worded("x"), Worded, "worded"),
    "worded and unpicklable": (lambda: Worded(threading.Lock()), RuntimeError, "Worded: worded"),
    "curious": (lambda: Curious("the text"), Curious, "the text"),
    "nameless": (lambda: Nameless("the text"), RuntimeError, "test_hard_exceptions.Nameless: the text"),
    "itself": (itself, RuntimeError, "ValueError: "),
    "with a lock": (lambda: OSError(threading.Lock(), "disk full"), RuntimeError, "OSError: [Errno <unlocked"),
    "in a circle": (in_a_circle, ValueError, "first"),
    "surrogate": (lambda: OSError("\udcff"), OSError, "\udcff"),
}


@pytest.fixture(scope="module")
def worker():
    with Worker(sub_workers=1) as shared:
        yield shared


def raise_hard(name):
    raise HARD[name][0]()


def by_task(worker, name):
    handle = worker.register(lambda args: raise_hard(name))
    return worker.submit(lambda o: o.submit_sub(handle)).exception(30)


def by_executor(worker, name):
    with Executor(worker) as executor:
        return executor.submit(raise_hard, name).exception(30)


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("way", [by_task, by_executor])
def test_an_exception_that_is_hard_to_pickle_fails_its_task_alone(worker, way, name):
    before = worker.children[0].pid
    _, kind, text = HARD[name]
    error = way(worker, name)
    assert type(error) is kind
    if text is not None:
        assert text in str(error)
    assert isinstance(error.__cause__, RemoteTraceback)
    assert "raise_hard" in str(error.__cause__)
    notes = vars(BaseException)["__dict__"].__get__(error)["__notes__"]
    assert any("in sub-worker 0" in note for note in notes)
    assert (worker.children[0].pid, worker.children[0].incarnation) == (before, 1)


class FailsToLoad:
    """Raises an exception that is hard to pickle when it is unpickled."""

    def __init__(self, name):
        self.name = name

    def __reduce__(self):
        return raise_hard, (self.name,)

    def __call__(self, args):
        return None


@pytest.mark.parametrize("name", ["mute", "escaping", "nameless", "itself", "surrogate"])
def test_a_callable_whose_loading_raises_such_an_exception_is_refused_and_the_worker_survives(worker, name):
    before = worker.children[0].pid
    with pytest.raises(PartialFailureError, match="was not registered"):
        worker.register(FailsToLoad(name))
    assert (worker.children[0].pid, worker.children[0].incarnation) == (before, 1)


def test_a_value_whose_pickling_raises_such_an_exception_fails_its_future(worker):
    class Stays:
        def __reduce__(self):
            raise Frozen(1)

    with Executor(worker) as executor:
        error = executor.submit(len, Stays()).exception(30)
    # Since Python 3.14, pickle adds a note to the exception; this exception refuses it with another error.
    assert isinstance(error if sys.version_info < (3, 14) else error.__context__, Frozen)


def test_an_exception_whose_unpickling_exits_only_the_parent_arrives_as_name_and_text(worker):
    parent = os.getpid()

    class LeavesParent(Exception):
        def __reduce__(self):
            return leave_if_in, (parent,)

    def leave_if_in(pid):
        if os.getpid() == pid:
            raise SystemExit(6)
        return ValueError("elsewhere")

    def fail(args):
        raise LeavesParent("the text")

    handle = worker.register(fail)
    error = worker.submit(lambda o: o.submit_sub(handle)).exception(30)
    assert type(error) is RuntimeError
    assert "LeavesParent: the text" in str(error)
