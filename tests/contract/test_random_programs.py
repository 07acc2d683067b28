import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import Worker
from tests.contract.programs import CHIPS, SUB_WORKERS, Machine, random_program

SETTINGS = settings(max_examples=50)
programs = st.integers(0, 2**64 - 1).map(lambda seed: random_program(random.Random(seed), longest=20))


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    with Worker(chips=CHIPS, sub_workers=SUB_WORKERS) as worker:
        yield Machine(worker, tmp_path_factory.mktemp("step"))


@pytest.fixture(autouse=True)
def nothing_is_left():
    """Replaces the check after each test: the module's worker lives on between tests."""


@SETTINGS
@given(program=programs)
def test_any_program_has_the_result_of_its_submission_order(machine, program):
    machine.check(program)


@SETTINGS
@given(program=programs)
def test_any_program_gives_the_same_result_as_a_graph_on_its_own_array_and_on_others(machine, program):
    machine.check_launched(program)


@SETTINGS
@given(pair=st.tuples(programs, programs))
def test_programs_that_run_at_the_same_time_do_not_affect_each_other(machine, pair):
    machine.check_together(list(pair))


@SETTINGS
@given(program=programs, where=st.integers(0, 19))
def test_no_task_of_a_cancelled_program_ran_without_its_predecessors(machine, program, where):
    machine.check_cancelled(program, where % len(program))
