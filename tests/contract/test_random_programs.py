import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime import CallConfig, Tag, TaskArgs, Worker

LENGTH = 12
SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def machine(chip):
    def affine(args):
        args[0][...] = args[0] * args.scalars[0] + args.scalars[1]

    with Worker(chips=3, sub_workers=2) as worker:
        yield worker, worker.register(chip["affine"]), worker.register(affine)


@pytest.fixture(autouse=True)
def nothing_is_left():
    """The module's worker lives on between tests."""


slices = st.tuples(st.integers(0, LENGTH - 1), st.integers(1, LENGTH), st.integers(1, 3)).map(
    lambda t: slice(t[0], min(LENGTH, t[0] + t[1]), t[2])
)
steps = st.tuples(slices, st.integers(0, 4), st.integers(0, 3), st.integers(0, 5))


@SETTINGS
@given(program=st.lists(steps, max_size=30))
def test_any_program_gives_what_it_gives_in_submission_order(machine, program):
    worker, on_chip, on_sub = machine
    shared = worker.zeros(LENGTH, "float64")
    expected = np.zeros(LENGTH)
    for where, _, factor, offset in program:
        expected[where] = expected[where] * factor + offset

    def orchestrate(o):
        for where, place, factor, offset in program:
            args = TaskArgs((shared[where], Tag.INOUT), scalars=[factor, offset])
            if place < 3:
                o.submit_next_level(on_chip, args, CallConfig(block_count=1), worker=place)
            else:
                o.submit_sub(on_sub, args)

    worker.run(orchestrate)
    np.testing.assert_array_equal(shared.numpy(), expected)
