"""A task that exceeds its deadline fails with TaskTimeout, its child is replaced, and no unrelated task is affected."""

import time

import pytest

from runtime import CallConfig, Tag, TaskArgs, Worker, WorkerOptions
from runtime.errors import ConfigurationError, TaskSkipped, TaskTimeout
from tests.contract.conftest import all_ready
from tests.patience import patience

SHORT = CallConfig(deadline=0.1)


def test_an_overdue_python_task_fails_and_tasks_that_waited_behind_it_run_on_the_replacement():
    with Worker(sub_workers=1) as worker:
        sleep, one = worker.register(lambda args: time.sleep(60)), worker.register(lambda args: args.scalars[0])

        def orchestrate(o):
            late = o.submit_sub(sleep, None, SHORT)
            return late, [o.submit_sub(one, TaskArgs(scalars=[i]), CallConfig(deadline=30)) for i in range(50)]

        run = worker.submit(orchestrate)
        with pytest.raises(TaskTimeout, match=r"deadline of 0\.1 s on sub-worker 0") as caught:
            run.result(30)
        assert caught.value.hashid == sleep.hashid
        assert len(run.errors) == 1
        _, others = run._value
        assert [task.result() for task in others] == list(range(50))
        assert all_ready(worker)
        assert worker.children[0].incarnation == 2
        assert "deadline" in worker.children[0].last_exit


def test_an_overdue_kernel_fails_alone_and_poisons_its_dependents(chip):
    with Worker(chips=2) as worker:
        hold, affine = worker.register(chip["hold"]), worker.register(chip["affine"])
        gate, x = worker.zeros(1, "float64"), worker.zeros(4, "float64")
        one = CallConfig(block_count=1)

        def orchestrate(o):
            late = o.submit_next_level(hold, TaskArgs((gate, Tag.INOUT)), SHORT, worker=0)
            skipped = o.submit_next_level(affine, TaskArgs((gate, Tag.INOUT), scalars=[1, 1]), one, worker=0)
            fine = [
                o.submit_next_level(affine, TaskArgs((x[i : i + 1], Tag.INOUT), scalars=[1, 1]), one, worker=i % 2)
                for i in range(4)
            ]
            return late, skipped, fine

        run = worker.submit(orchestrate)
        assert run.wait(30)
        late, skipped, fine = run._value
        assert isinstance(late.exception(), TaskTimeout)
        assert isinstance(skipped.exception(), TaskSkipped)
        assert isinstance(skipped.exception().__cause__, TaskTimeout)
        assert [task.exception() for task in fine] == [None] * 4
        assert x.numpy().tolist() == [1, 1, 1, 1]
        assert gate.numpy()[0] == 0


def test_time_in_a_queue_does_not_count(chip):
    with Worker(chips=1) as worker:
        sleep = worker.register(chip["sleep_ms"])
        config = CallConfig(block_count=1, deadline=0.5)
        run = worker.submit(
            lambda o: [o.submit_next_level(sleep, TaskArgs(scalars=[60]), config, worker=0) for _ in range(20)]
        )
        assert run.exception(30) is None
        assert worker.children[0].incarnation == 1


def test_a_deadline_is_never_retried_and_does_not_use_up_the_restarts():
    with Worker(sub_workers=1, options=WorkerOptions(max_restarts=1)) as worker:
        begun = worker.zeros(1, "int64")

        def work(args):
            args[0][0] += 1
            time.sleep(60)

        handle = worker.register(work)
        config = CallConfig(deadline=0.05, retries=5)
        run = worker.submit(lambda o: [o.submit_sub(handle, TaskArgs((begun, Tag.NO_DEP)), config) for _ in range(4)])
        assert run.wait(30)
        assert [type(error) for error in run.errors] == [TaskTimeout] * 4
        assert begun.numpy()[0] == 4
        assert all_ready(worker)
        stats = worker.stats()
        assert (stats.timed_out, stats.begun_again, stats.restarts) == (4, 0, 4)


def test_an_overdue_member_fails_its_group_and_the_other_members_run_to_their_end():
    with Worker(sub_workers=2) as worker:
        done = worker.zeros(2, "int64")

        def work(args):
            time.sleep(0.1 if args.scalars[0] == 0 else 60)
            args[0][0] = 1

        handle = worker.register(work)

        def orchestrate(o):
            args = [TaskArgs((done[i : i + 1], Tag.OUTPUT), scalars=[i]) for i in range(2)]
            return o.submit_sub_group(handle, args, CallConfig(deadline=patience(1.0)))

        run = worker.submit(orchestrate)
        with pytest.raises(TaskTimeout):
            run.result(patience(30))
        assert done.numpy().tolist() == [1, 0]


@pytest.mark.parametrize("deadline", [0, -1.0, float("nan"), 1e10])
def test_impossible_deadlines_are_refused(deadline):
    with pytest.raises(ConfigurationError, match="deadline"):
        CallConfig(deadline=deadline)


def test_a_deadline_that_is_met_has_no_effect():
    with Worker(sub_workers=2) as worker:
        handle = worker.register(lambda args: args.scalars[0])
        config = CallConfig(deadline=0.2)

        def orchestrate(o):
            return [o.submit_sub(handle, TaskArgs(scalars=[i]), config) for i in range(500)]

        tasks = worker.run(orchestrate)
        assert [task.result() for task in tasks] == list(range(500))
        time.sleep(0.3)
        assert worker.stats().restarts == 0
        assert worker.run(lambda o: o.submit_sub(handle, TaskArgs(scalars=[1]), config)).result() == 1
