"""An option of a Worker reaches the native engine under its own name, or is listed here as Python's alone."""

import math
from dataclasses import fields

import pytest

from runtime import WorkerOptions
from runtime.processes.spawning import OF_THE_ENGINE, engine_options
from runtime.processes.topology import Topology

OF_PYTHON = {"arena_bytes", "memory_limit_bytes", "submit_timeout", "close_timeout"}
"""Used by the memory pool and by the threads of callers."""
CONVERTED = {"cores_per_chip", "max_restarts"}
"""Converted before the engine receives them: None has a meaning in Python."""
OTHER = {
    "max_callables": 17,
    "lane_capacity": 32,
    "max_pending_tasks": 99,
    "max_runs": 3,
    "control_timeout": 1.25,
    "start_timeout": 2.5,
    "restart_window": 7.75,
    "trace": True,
}


def made(**options):
    topology = Topology(3, (0,), 0, platform="a2a3sim", runtime="test", options=WorkerOptions(**options))
    return engine_options(topology)


def test_every_option_of_a_worker_is_the_engines_or_pythons():
    assert {field.name for field in fields(WorkerOptions)} == {*OF_THE_ENGINE, *CONVERTED, *OF_PYTHON}


@pytest.mark.parametrize("name", OF_THE_ENGINE)
def test_an_option_of_the_engine_arrives_there(name):
    assert getattr(made(**{name: OTHER[name]}), name) == OTHER[name] != getattr(made(), name)


@pytest.mark.parametrize(("given", "native"), [(None, 10), (math.inf, None), (3, 3), (0, 0)])
def test_the_limit_of_restarts_arrives_as_a_number_or_none(given, native):
    assert made(max_restarts=given).max_restarts == native


@pytest.mark.parametrize(("given", "native"), [(None, 0), (5, 5)])
def test_the_cores_of_a_chip_arrive_as_a_number_zero_for_the_default(given, native):
    assert made(cores_per_chip=given).cores_per_chip == native
