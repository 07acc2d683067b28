"""Python callables that are called by their signature instead of with a task's arguments."""

import numpy as np
import pytest

from runtime import Tag, TaskArgs, Worker, by_signature, by_source


@pytest.fixture(scope="module")
def worker():
    with Worker(sub_workers=1) as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_is_left():
    """Replaces the check after each test: the module's worker lives on between tests."""


@by_source
@by_signature
def add_by_source(a, b, out):
    out[...] = a + b


def call(worker, function, args):
    handle = worker.register(function)
    try:
        return worker.run(lambda o: o.submit_sub(handle, args)).result()
    finally:
        worker.unregister(handle)


def test_tensors_and_scalars_become_the_parameters_in_order(worker):
    a, out = worker.share(np.arange(4.0)), worker.zeros(4, "float64")

    @by_signature
    def axpy(a, out, scale: float, steps: int, flag: bool):
        assert not a.flags.writeable
        out[...] = scale * a + 1
        return scale, steps, flag

    args = TaskArgs((a, Tag.INPUT), (out, Tag.OUTPUT), scalars=[0.5, -3, True])
    assert call(worker, axpy, args) == (0.5, -3, True)
    assert out.numpy().tolist() == [1, 1.5, 2, 2.5]


def test_scalars_may_stand_anywhere_and_defaults_are_used(worker):
    x = worker.share(np.full(2, 3.0))

    @by_signature
    def scaled(factor: "float", x, offset: int = 7):
        return float(x[0] * factor + offset)

    assert call(worker, scaled, TaskArgs((x, Tag.INPUT), scalars=[2.0])) == 13
    assert call(worker, scaled, TaskArgs((x, Tag.INPUT), scalars=[2.0, 1])) == 7


def test_a_scalar_without_an_annotation_is_a_signed_integer(worker):
    x = worker.zeros(1, "float64")
    function = by_signature(lambda x, n: n)
    assert call(worker, function, TaskArgs((x, Tag.INPUT), scalars=[-9])) == -9


def test_an_annotation_that_cannot_be_resolved_leaves_those_of_the_other_scalars(worker):
    x = worker.zeros(1, "float64")

    @by_signature
    def scaled(x: "Missing", scale: float, flag: bool):  # noqa: F821
        return scale, flag

    assert call(worker, scaled, TaskArgs((x, Tag.INPUT), scalars=[0.5, 1])) == (0.5, True)


def test_arguments_that_do_not_fit_are_an_error_of_that_task_that_names_the_signature(worker):
    x = worker.zeros(1, "float64")

    @by_signature
    def takes(x, n: int):
        return n

    for args in (None, TaskArgs((x, Tag.INPUT)), TaskArgs(scalars=[1] * 3), TaskArgs((x, Tag.INPUT), scalars=[1, 2])):
        with pytest.raises(TypeError, match=r"takes\(x, n: int\) does not fit"):
            call(worker, takes, args)
    assert call(worker, takes, TaskArgs((x, Tag.INPUT), scalars=[4])) == 4


def test_a_callable_named_by_its_source_can_be_called_by_signature_too(worker):
    a, out = worker.share(np.arange(3.0)), worker.zeros(3, "float64")
    call(worker, add_by_source, TaskArgs((a, Tag.INPUT), (a, Tag.INPUT), (out, Tag.OUTPUT)))
    assert out.numpy().tolist() == [0, 2, 4]


def test_an_exception_keeps_its_type_and_the_frame_in_which_it_was_raised(worker):
    @by_signature
    def fails(n: int):
        return {}[n]

    with pytest.raises(KeyError, match="5") as caught:
        call(worker, fails, TaskArgs(scalars=[5]))
    assert "in fails" in str(caught.value.__cause__)
