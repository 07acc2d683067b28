"""Registrations and removals from several threads at once: during runs, during the start and during the end."""

import contextlib
import os
import random
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from runtime import Tag, TaskArgs, Worker, WorkerOptions
from runtime.errors import HandleStaleError, RegisterTombstoneError, UnregisterTombstoneError, WorkerClosed
from tests.contract.conftest import Stopped, wait_until

FUNCTIONS = [abs, len, max, min, sum]


def together(count, work):
    """Runs ``work(i)`` in threads; raises the first error of any of them."""
    errors = []

    def guarded(i):
        try:
            work(i)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a thread hangs"
    if errors:
        raise errors[0]


def insist(register):
    """Registers, and tries again while an earlier removal is under way."""
    while True:
        try:
            return register()
        except RegisterTombstoneError:
            time.sleep(0.0005)


def expect_installed(worker, handles):
    """Checks that every child has exactly the callables of these handles, with their numbers of registrations."""
    for child in worker.children:
        namespace = "LOCAL_CHIP" if child.kind == "chip" else "LOCAL_PYTHON"
        expected = Counter(handle.hashid for handle in handles if handle.target_namespace == namespace)
        assert (child.state, child.installed) == ("ready", dict(expected))


def test_registrations_and_removals_from_many_threads_leave_the_callables_that_are_still_held(chip):
    with Worker(chips=2, sub_workers=2) as worker:
        held = [[] for _ in range(8)]

        def work(i):
            choose = random.Random(i)
            for _ in range(60):
                if held[i] and choose.random() < 0.5:
                    worker.unregister(held[i].pop(choose.randrange(len(held[i]))))
                else:
                    target = choose.choice([*FUNCTIONS, chip["add"], chip["affine"]])
                    held[i].append(insist(lambda target=target: worker.register(target)))

        together(8, work)
        expect_installed(worker, [handle for handles in held for handle in handles])


def test_a_child_that_does_not_answer_delays_no_registration_in_the_other_children():
    # More registrations than there is room for notices.
    count = 20
    with Worker(sub_workers=3) as worker:
        handles = [None] * count

        def register(i):
            handles[i] = worker.register(lambda args: i)

        threads = [threading.Thread(target=register, args=(i,)) for i in range(count)]
        with Stopped(worker, 1):
            for thread in threads:
                thread.start()
            for others in (0, 2):
                assert wait_until(lambda others=others: len(worker.children[others].installed) == count)
            assert not any(handles)
        for thread in threads:
            thread.join(60)
        expect_installed(worker, handles)
        groups = worker.run(lambda o: [o.submit_sub_group(handle, [None] * 3) for handle in handles])
        assert [group.result() for group in groups] == [[i] * 3 for i in range(count)]


def test_removals_race_with_submits_and_no_accepted_task_is_broken():
    with Worker(sub_workers=2) as worker:

        def work(i):
            for n in range(40):
                handle = insist(lambda: worker.register(abs))
                submitted = []

                def submit(o, handle=handle, n=n, submitted=submitted):
                    for k in range(5):
                        submitted.append(o.submit_sub(handle, TaskArgs(scalars=[n + k])))

                remover = threading.Thread(target=worker.unregister, args=(handle,))
                remover.start()
                try:
                    run = worker.submit(submit)
                except HandleStaleError:
                    run = None
                remover.join()
                if run is not None:
                    run.wait()
                for task in submitted:
                    # The error is that of abs() for its arguments, never that of a removed callable.
                    assert isinstance(task.exception(), TypeError | None), task.exception()

        together(4, work)
        assert all(not child.installed for child in worker.children)


def test_only_one_of_two_removals_of_one_handle_succeeds():
    with Worker(sub_workers=1) as worker:
        for _ in range(200):
            handle = insist(lambda: worker.register(len))
            outcomes = []

            def release(i, handle=handle, outcomes=outcomes):
                try:
                    worker.unregister(handle)
                    outcomes.append("released")
                except (HandleStaleError, UnregisterTombstoneError):
                    outcomes.append("refused")

            together(3, release)
            assert sorted(outcomes) == ["refused", "refused", "released"]


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.05, 0.1, 0.2])
def test_callables_registered_while_children_start_are_installed_when_they_are_ready(delay, chip):
    worker = Worker(chips=2, sub_workers=2)
    early = worker.register(len)
    handles = []

    def work(i):
        if i == 0:
            worker.init()
            return
        time.sleep(delay)
        for target in (chip["add"], abs, max):
            handles.append(worker.register(target))
        worker.unregister(insist(lambda: worker.register(sum)))

    try:
        together(3, work)
        expect_installed(worker, [early, *handles])
    finally:
        worker.close()


@pytest.mark.parametrize("delay", [0.0, 0.005, 0.02])
def test_a_registration_during_close_raises_worker_closed(delay):
    worker = Worker(sub_workers=2).init()
    closed = []

    def work(i):
        if i == 0:
            time.sleep(delay)
            worker.close()
            return
        try:
            while True:
                worker.unregister(insist(lambda: worker.register(FUNCTIONS[i])))
        except WorkerClosed:
            closed.append(i)

    together(4, work)
    assert sorted(closed) == [1, 2, 3]


def _ends_visibly(folder):
    """A callable that holds an object, whose deletion creates a file named by the pid of the process."""

    class Held:
        def __del__(self):
            (Path(folder) / str(os.getpid())).touch()

    held = Held()
    return lambda args: bool(held)


def compute_until_set(args):
    """Marks that it has begun and computes, without a pause, until its cell is set."""
    args[1][0] = 1
    while not args[0][0]:
        sum(range(1000))


@contextlib.contextmanager
def all_compute(worker):
    """Within the block every child computes without a pause; after the block the tasks have ended."""
    count = len(worker.children)
    handle = worker.register(compute_until_set)
    over, begun = worker.zeros(1, "int64"), worker.zeros(count, "int64")
    run = worker.submit(
        lambda o: (
            [o.submit_sub(handle, TaskArgs((over, Tag.NO_DEP), (begun[i : i + 1], Tag.OUTPUT))) for i in range(count)]
            and None
        )
    )
    assert wait_until(lambda: begun.numpy().all())
    yield
    assert not run.done()
    over.numpy()[0] = 1
    run.result(60)


def test_more_computing_sub_workers_than_cores_register_and_release_without_a_pause(tmp_path):
    with Worker(chips=0, sub_workers=2 * len(os.sched_getaffinity(0)) + 1) as worker:
        children = {str(child.pid) for child in worker.children}

        def ended():
            return {file.name for file in tmp_path.iterdir()}

        with all_compute(worker):
            worker.unregister(worker.register(_ends_visibly(str(tmp_path))))
            assert not children & ended()  # a removal does not wait for a child that a task keeps busy
            kept = worker.register(lambda args: 7)
        assert wait_until(lambda: children <= ended())
        assert worker.run(lambda o: o.submit_sub(kept, TaskArgs()).result()) == 7


def test_an_idle_child_deletes_the_objects_of_a_callable_with_its_removal(tmp_path):
    with Worker(chips=0, sub_workers=2) as worker:
        children = {str(child.pid) for child in worker.children}
        worker.unregister(worker.register(_ends_visibly(str(tmp_path))))
        assert wait_until(lambda: children <= {file.name for file in tmp_path.iterdir()})


class LetsGo:
    """Releases the interpreter's lock again and again while it is unpickled, as a read of files would."""

    def __reduce__(self):
        return _let_go, ()


def _let_go():
    for _ in range(200):
        time.sleep(0)
    return len


@pytest.mark.parametrize("children", [1, 2 * len(os.sched_getaffinity(0)) + 1])
def test_unpickling_that_releases_the_lock_gets_it_back_from_a_task_that_computes(children):
    with Worker(chips=0, sub_workers=children, options=WorkerOptions(control_timeout=20)) as worker:
        captured = LetsGo()
        with all_compute(worker):
            worker.unregister(worker.register(lambda args: (captured, args)))
