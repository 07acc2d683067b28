"""Which variables of the parent's environment a child has."""

import json
import os

import pytest

from runtime import Worker

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def environment_of_a_sub_worker():
    def read(args):
        return json.dumps(dict(os.environ))

    with Worker(sub_workers=1) as worker:
        handle = worker.register(read)
        return json.loads(worker.run(lambda o: o.submit_sub(handle)).result())


@pytest.mark.parametrize(
    ("chosen", "seen"),
    [
        ({}, ("1", "1", "1")),
        ({"OMP_NUM_THREADS": "3"}, ("3", None, None)),  # the other libraries use OMP_NUM_THREADS, too
        ({"OPENBLAS_NUM_THREADS": "3"}, ("1", "3", "1")),
        ({"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "4"}, ("2", None, "4")),
    ],
)
def test_numeric_libraries_use_one_thread_in_a_child_unless_the_user_has_chosen_another_number(
    monkeypatch, chosen, seen
):
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    environment = environment_of_a_sub_worker()
    assert tuple(environment.get(name) for name in THREADS) == seen


def test_a_child_has_every_variable_of_the_parent_even_one_that_is_not_valid_utf8(monkeypatch):
    monkeypatch.setenv("CALLRING_TEST_TEXT", "a=b ü\n")
    monkeypatch.setenv("CALLRING_TEST_BYTES", os.fsdecode(b"\xff"))
    environment = environment_of_a_sub_worker()
    assert environment["CALLRING_TEST_TEXT"] == "a=b ü\n"
    assert environment["CALLRING_TEST_BYTES"] == os.fsdecode(b"\xff")
