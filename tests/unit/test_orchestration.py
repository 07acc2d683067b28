"""The arguments of an orchestration function: runtime.runs.orchestration."""

import functools

import pytest

from runtime import Worker
from runtime.runs.orchestration import _by_signature, parameters_taken


class Orchestrations:
    """Orchestration functions that are methods."""

    def method(self, o, args):
        """Takes two."""

    def only_variable(*given):
        """Takes the instance as one of the variable arguments."""

    @classmethod
    def of_the_class(cls, o, args, config):
        """Takes three."""

    @staticmethod
    def of_none(o, scale=1):
        """Takes one."""

    def __call__(self, o, args=None):
        """Takes two."""


@functools.wraps(Orchestrations.of_none)
def wrapping(*given):
    """Has the signature of another function."""


def marked(o, args, config, more):
    """Has an attribute."""


marked.note = "as decorators leave one"
here = Orchestrations()
FUNCTIONS = [
    (lambda: None, 0),
    (lambda o: None, 1),
    (lambda o, args: None, 2),
    (lambda o, args, config: None, 3),
    (lambda o, args, config, more: None, 3),
    (lambda o, /, args: None, 2),
    (lambda o, *, args=None: None, 1),
    (lambda o, i=1: None, 1),
    (lambda o, args=None: None, 2),
    (lambda o, args=None, config=None: None, 3),
    (lambda o, i=1, args=None: None, 1),
    (lambda o=None, args=None: None, 0),
    (lambda *given: None, 3),
    (lambda o, i=1, *given: None, 3),
    (lambda **named: None, 0),
    (lambda o, **named: None, 1),
    (wrapping, 1),
    (marked, 3),
    (here.method, 2),
    (here.only_variable, 3),
    (here.of_the_class, 3),
    (here.of_none, 1),
    (here, 2),
    (functools.partial(lambda i, o: None, 1), 1),
    (print, 3),
]


@pytest.mark.parametrize(("function", "count"), FUNCTIONS)
def test_the_parameters_read_from_the_code_are_those_of_the_signature(function, count):
    assert parameters_taken(function) == count
    assert _by_signature(function) == count


def test_a_method_that_has_no_place_for_the_instance_fails_when_it_is_called():
    class Wrong:
        def method():
            """Has no parameter."""

    assert parameters_taken(Wrong().method) == _by_signature(Wrong().method) == 3


def test_a_function_is_recorded_with_the_arguments_that_it_takes():
    worker = Worker(chips=1)
    given = []
    worker.capture(lambda o, args=None, scale=2: given.append((args, scale)), "arguments")
    assert given == [("arguments", 2)]
    worker.close()
