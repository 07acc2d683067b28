"""The functions of the core that CPython calls directly: every wrong argument raises a Python exception."""

import pytest

from runtime import TaskArgs, Worker, _core


def test_arguments_that_were_tampered_with_are_a_type_error():
    with Worker(sub_workers=1) as worker:
        handle = worker.register(lambda args: 1)

        def orchestrate(o):
            args = TaskArgs()
            with pytest.raises(TypeError, match="int"):
                args._native = 3
            with pytest.raises(TypeError, match="deleted"):
                del args._native
            args._arrays = args._parameters = 3
            return o.submit_sub(handle, args).result()

        assert worker.run(orchestrate) == 1


@pytest.mark.parametrize("engine", [None, 3])
@pytest.mark.parametrize("task", [None, 3])
def test_a_task_of_no_engine_is_a_type_error(engine, task):
    with pytest.raises(TypeError):
        _core.TaskRef(object(), engine, task)


def test_a_submitter_made_of_a_wrong_type_raises():
    with Worker(sub_workers=1) as worker:
        handle = worker.register(lambda args: 1)
        with pytest.raises(AttributeError, match="_token"):
            _core.Submitter(3, 3, 3, 3, 3, 3, 3, 3, 3, {}, 3)
        with pytest.raises(TypeError, match="int"):
            _core.Submitter(3, None, 3, 3, type(handle), TaskArgs, _core.TaskRef, 3, 3, {}, 3)
