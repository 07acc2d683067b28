"""Values of any size arrive whole, large arrays are used where the worker wrote them, and no memory is left in use."""

import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path

import numpy as np
import pytest

from runtime import Executor, Tag, TaskArgs, Worker, _core
from runtime.errors import WorkerLost
from tests.contract.conftest import all_ready
from tests.patience import patience

MEBIBYTE = 1 << 20
CELL = 32 * MEBIBYTE  # native/lane/layout.h
LEAST = _core.LEAST_EXTENT
HEADER = 64
INLINE = 220
MOST_IDLE = (64 + 64 + 8 + 4) * MEBIBYTE  # memory kept for reuse, memory not yet taken back, the lane, a margin
LIMITS = (INLINE, LEAST, 4096 * 20 - HEADER, 8 * MEBIBYTE, CELL // 2, CELL - HEADER, CELL, 2 * CELL)
AROUND = [limit + off for limit in LIMITS for off in (-3, -2, -1, 0, 1)]


@pytest.fixture(scope="module")
def executor():
    with Executor(max_workers=2) as executor:
        yield executor


def of(size, fill):
    return np.full(size, fill, "u1")


def is_shared(array):
    """Whether the array's bytes lie where a worker wrote them."""
    at = array.__array_interface__["data"][0]
    for line in Path("/proc/self/maps").read_text().splitlines():
        begin, end = (int(part, 16) for part in line.split()[0].split("-"))
        if begin <= at < end:
            return "callring-lane" in line
    return False


def lanes():
    """The bytes of memory in use by each lane of this process, of all Workers, by the lane's file."""
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        try:
            if "callring-lane" in str(entry.readlink()):
                file = entry.stat()
                found[file.st_dev, file.st_ino] = file.st_blocks * 512
        except OSError:
            continue
    return found


def committed(earlier):
    """Bytes of memory of all lanes except the `earlier` ones, which other Executors keep for reuse."""
    return sum(size for lane, size in lanes().items() if lane not in earlier)


def until_idle(executor, earlier):
    """Waits until the Executor's thread has released the results that it delivered, and little memory is in use."""
    end = time.monotonic() + patience(30)
    while committed(earlier) >= MOST_IDLE:
        assert executor.submit(of, LEAST, 1).result()[0] == 1
        assert time.monotonic() < end, f"{committed(earlier)} bytes stay"


@pytest.mark.parametrize("size", AROUND)
def test_a_value_of_any_size_arrives_whole(size, executor):
    call = executor.submit
    results = [call(bytes, size), call(str.__mul__, "é", size // 2), call(of, size, 7), call(bytearray, size)]
    assert results[0].result() == bytes(size)
    assert results[1].result() == "é" * (size // 2)
    array = results[2].result()
    assert array.shape == (size,)
    assert (array == 7).all()
    assert results[3].result() == bytearray(size)


def test_a_value_may_be_larger_than_one_cell_of_the_store(executor):
    assert executor.submit(bytes, 300 * MEBIBYTE).result() == bytes(300 * MEBIBYTE)
    assert executor.submit(of, 300 * MEBIBYTE, 3).result()[-1] == 3


def test_a_large_array_is_read_where_its_worker_wrote_it(executor):
    assert is_shared(executor.submit(of, LEAST, 1).result())
    assert not is_shared(executor.submit(of, LEAST // 2, 1).result())


def shapes():
    base = np.arange(600 * 400, dtype="f4").reshape(600, 400)
    record = np.zeros(20_000, [("a", "i4"), ("b", "f8")])
    record["a"] = np.arange(20_000)
    fixed = np.arange(100_000)
    fixed.setflags(write=False)
    return {
        "rows": base,
        "columns": np.asfortranarray(base),
        "every other": base[::2, ::3],
        "transposed": base.T,
        "record": record,
        "fixed": fixed,
        "none": np.zeros((0, 5)),
        "scalar": np.array(4.0),
        "objects": np.array([{"a": 1}, None], object),
        "masked": np.ma.masked_less(np.arange(50_000), 10),
        "twice": (same := np.arange(90_000), same),
        "text": "x" * 100_000,
    }


def test_arrays_of_every_shape_arrive_as_they_would_from_pickle(executor):
    import pickle

    theirs = executor.submit(shapes).result()
    for name, ours in pickle.loads(pickle.dumps(shapes(), 5)).items():
        got = theirs[name]
        if name in ("twice", "text"):
            continue
        assert type(got) is type(ours), name
        assert (got.dtype, got.shape, got.strides) == (ours.dtype, ours.shape, ours.strides), name
        assert np.array_equal(got, ours), name
        assert (got.flags.writeable, got.flags.f_contiguous) == (ours.flags.writeable, ours.flags.f_contiguous), name
    assert theirs["twice"][0] is theirs["twice"][1]
    assert theirs["text"] == "x" * 100_000


def test_a_returned_array_can_be_written_and_belongs_to_its_caller_alone(executor):
    array = executor.submit(of, MEBIBYTE, 1).result()
    array += 1
    for _ in range(50):
        assert (executor.submit(of, MEBIBYTE, 5).result() == 5).all()
    assert (array == 2).all()


def many(count, size):
    return [of(size, i % 251) for i in range(count)], lambda: 7


def test_a_value_may_hold_any_number_of_large_arrays_and_what_only_cloudpickle_can_pickle(executor):
    count = 2 * _core.MOST_BUFFERS
    arrays, function = executor.submit(many, count, LEAST).result()
    assert len(arrays) == count
    assert all((array == i % 251).all() for i, array in enumerate(arrays))
    assert function() == 7


def test_a_large_pickle_without_arrays_arrives(executor):
    value = {i: str(i) for i in range(200_000)}
    assert executor.submit(dict, value).result() == value


def fail(size):
    raise ValueError("x" * size)


def test_an_exception_of_any_size_arrives_whole(executor):
    for size in (LEAST, 10 * MEBIBYTE):
        with pytest.raises(ValueError, match="xxx") as caught:
            executor.submit(fail, size).result()
        assert caught.value.args[0].count("x") == size


def test_kept_arrays_do_not_change_while_thousands_more_arrive(executor):
    kept = []
    recent = deque(maxlen=16)
    for first in range(0, 3000, 50):
        futures = [executor.submit(of, LEAST + 997 * (i % 60), i % 251) for i in range(first, first + 50)]
        for i, future in enumerate(futures, first):
            recent.append(future.result())
            if i % 20 == 0:
                kept.append((i % 251, recent[-1]))
    assert all((array == fill).all() for fill, array in kept)


def test_one_kept_array_of_many_keeps_no_memory_of_the_others():
    earlier = set(lanes())
    with Executor(max_workers=1) as executor:
        arrays, _ = executor.submit(many, 200, MEBIBYTE).result()
        kept = arrays[100]
        del arrays
        gc.collect()
        until_idle(executor, earlier)
        assert (kept == 100).all()


def test_little_memory_stays_however_much_was_returned():
    earlier = set(lanes())
    with Executor(max_workers=1) as executor:
        for _ in range(3):
            kept = [executor.submit(of, 10 * MEBIBYTE, i).result() for i in range(40)]
            assert committed(earlier) >= 400 * MEBIBYTE
            del kept
            until_idle(executor, earlier)


def test_results_outlive_their_worker_and_keep_only_their_own_memory():
    with Executor(max_workers=1) as executor:
        futures = [executor.submit(of, 2 * MEBIBYTE, i) for i in range(40)]
        arrays = [future.result() for future in futures]
        del futures
        kept = arrays[7]
        del arrays
    assert (kept == 7).all()
    kept[:] = 1
    assert kept.sum() == 2 * MEBIBYTE
    assert is_shared(kept)


def test_results_outlive_the_process_that_wrote_them():
    with Executor(max_workers=1) as executor:
        before = executor.submit(of, MEBIBYTE, 3).result()
        with pytest.raises(WorkerLost):
            executor.submit(os._exit, 1).result()
        assert (executor.submit(of, MEBIBYTE, 4).result() == 4).all()
        assert (before == 3).all()


def test_workers_that_are_killed_while_they_write_harm_no_result():
    with Executor(max_workers=2) as executor:
        kept, lost = [], 0
        random_ = random.Random(9)
        for _ in range(8):
            futures = [executor.submit(of, random_.randrange(LEAST, 4 * MEBIBYTE), i) for i in range(12)]
            timer = threading.Timer(random_.random() * 0.02, kill_one, (executor.worker, random_.randrange(2)))
            timer.start()
            for i, future in enumerate(futures):
                try:
                    kept.append((i, future.result()))
                except WorkerLost:
                    lost += 1
            timer.join()
            kept = kept[-40:]
            assert all((array == fill).all() for fill, array in kept)
        assert lost <= 16
        assert all_ready(executor.worker)


def kill_one(worker, number):
    pid = worker.children[number].pid
    if pid > 0:
        os.kill(pid, signal.SIGKILL)


def test_a_result_that_is_read_twice_is_the_same_memory_and_not_that_of_its_tensor():
    with Worker(sub_workers=1) as worker:
        tensor = worker.zeros(MEBIBYTE, "uint8")
        handle = worker.register(lambda args: args[0])
        task = worker.run(lambda o: o.submit_sub(handle, TaskArgs((tensor, Tag.INOUT))))
        first, second = task.result(), task.result()
        tensor.numpy()[:] = 9
        assert first.sum() == second.sum() == 0
        first[0] = 1
        assert second[0] == 1


def test_members_of_a_group_and_tasks_of_a_node_return_large_arrays():
    def large(args):
        return np.full(MEBIBYTE, args.scalars[0], "u1")

    with Worker(sub_workers=2) as worker:
        handle = worker.register(large)
        members = [TaskArgs(scalars=[i]) for i in range(2)]
        arrays = worker.run(lambda o: o.submit_sub_group(handle, members)).result()
        assert [int(array[-1]) for array in arrays] == [0, 1]
    worker = Worker(level=4)
    node = worker.add_worker(Worker(sub_workers=1))
    with worker:
        handle = worker.register(lambda o, args: np.full(MEBIBYTE, args.scalars[0], "u1"))
        task = worker.run(lambda o: o.submit_next_level(handle, TaskArgs(scalars=[5]), worker=node))
        assert (task.result() == 5).all()


FORKING = """
import os, sys
import numpy as np
from runtime import Executor
with Executor(max_workers=1) as executor:
    array = executor.submit(np.full, 1 << 20, 1, "u1").result()
    ready, go = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(go[1])
        os.read(go[0], 1)
        intact = bool((array == 1).all())
        del array
        os._exit(0 if intact else 3)
    os.close(go[0])
    del array
    for i in range(20):
        assert (executor.submit(np.full, 1 << 20, 2 + i, "u1").result() == 2 + i).all()
    os.close(go[1])
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert (executor.submit(np.full, 1 << 20, 9, "u1").result() == 9).all()
    sys.exit(status)
"""


def test_a_forked_process_sees_the_results_that_it_inherited_unchanged():
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKING]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=patience(120))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_result_that_the_parent_cannot_unpickle_releases_its_memory():
    earlier = set(lanes())
    with Executor(max_workers=1) as executor:
        for _ in range(200):
            with pytest.raises(ZeroDivisionError):
                executor.submit(Unloadable).result()
        until_idle(executor, earlier)


class Unloadable:
    def __init__(self):
        self.array = np.zeros(2 * MEBIBYTE, "u1")

    def __reduce__(self):
        return divmod, (1, 0), {"array": self.array}
