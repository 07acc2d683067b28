"""A lack of descriptors or memory in the parent raises a typed error, and affects no other work."""

import contextlib
import gc
import os
import pickle
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from runtime import Executor, Tag, TaskArgs, Worker
from runtime.errors import OutOfDescriptors, OutOfMemory, PartialFailureError
from tests.contract.conftest import all_ready
from tests.patience import patience

MEBIBYTE = 1 << 20
LARGE = 64 * MEBIBYTE


@contextlib.contextmanager
def limited(kind, soft):
    """Within the block this process may use at most ``soft`` units of a resource."""
    before = resource.getrlimit(kind)
    resource.setrlimit(kind, (soft, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(kind, before)


def no_descriptors():
    """Within the block no descriptor can be opened here."""
    gc.collect()  # Workers of earlier tests must not close descriptors later
    lowest = os.open("/dev/null", os.O_RDONLY)
    os.close(lowest)
    return limited(resource.RLIMIT_NOFILE, lowest)


def memory_left(left):
    """Within the block this process may map only ``left`` more bytes."""
    gc.collect()  # Workers of earlier tests must not free memory later
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return limited(resource.RLIMIT_AS, pages * resource.getpagesize() + left)


def submit(worker, handle, *args):
    return worker.run(lambda o: o.submit_sub(handle, *args))


def test_a_value_needs_no_descriptor_of_parent_or_child():
    def large_without_descriptors(args):
        lowest = os.open("/dev/null", os.O_RDONLY)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        return bytes(LARGE)

    with Worker(sub_workers=1) as worker:
        large = worker.register(large_without_descriptors)
        with no_descriptors():
            assert submit(worker, large).result() == bytes(LARGE)
        assert worker.children[0].incarnation == 1


def large_array(args):
    import numpy as np

    return np.ones(LARGE, "u1")


@pytest.mark.parametrize("returned", ["bytes", "array"])
def test_a_value_that_the_parent_has_no_room_for_is_a_memory_error(returned):
    with Worker(sub_workers=1) as worker:
        large = worker.register(large_array if returned == "array" else lambda args: bytes(LARGE))
        small = worker.register(lambda args: 1)
        with memory_left(LARGE // 2):
            with pytest.raises(OutOfMemory, match=r"sub-worker 0.*no memory to map") as caught:
                submit(worker, large)
            assert submit(worker, small).result() == 1
        assert caught.value.hashid == large.hashid
        assert isinstance(caught.value, MemoryError)
        assert len(submit(worker, large).result()) == LARGE
        assert worker.children[0].incarnation == 1


def test_a_value_that_cannot_be_copied_is_a_memory_error_and_available_when_memory_is_free():
    with Worker(sub_workers=1) as worker:
        large = worker.register(lambda args: bytes(LARGE))
        task = submit(worker, large)
        wanted = r"sub-worker 0.*no memory for what it returned"
        with memory_left(LARGE // 2), pytest.raises(OutOfMemory, match=wanted) as caught:
            task.result()
        assert (caught.value.hashid, caught.value.worker) == (large.hashid, "sub-worker 0")
        assert task.result() == bytes(LARGE)


def test_a_call_whose_value_cannot_be_copied_is_a_memory_error_that_names_the_function():
    with Executor(max_workers=1) as executor:
        assert executor.submit(bytes, 1).result() == bytes(1)
        with memory_left(LARGE + LARGE // 2), pytest.raises(OutOfMemory, match="bytes ran on sub-worker 0"):
            executor.submit(bytes, LARGE).result()
        assert executor.submit(bytes, LARGE).result() == bytes(LARGE)


def test_the_error_of_a_value_that_a_child_cannot_write_names_what_the_child_lacks():
    def write(args):
        resource.setrlimit(resource.RLIMIT_FSIZE, (args.scalars[0], resource.RLIM_INFINITY))
        return bytes(LARGE)

    with Worker(sub_workers=1) as worker:
        handle = worker.register(write)
        for _ in range(3):
            with pytest.raises(OutOfMemory, match=r"sub-worker 0.*File too large"):
                submit(worker, handle, TaskArgs(scalars=[MEBIBYTE]))
        assert submit(worker, handle, TaskArgs(scalars=[1 << 62])).result() == bytes(LARGE)
        assert worker.children[0].incarnation == 1


FEW_FILES = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 20, 64 << 20))
from runtime import Executor
from runtime.errors import OutOfMemory
with Executor(max_workers=1) as executor:
    assert executor.submit(bytes, 10 << 20).result() == bytes(10 << 20)
    for _ in range(3):
        try:
            executor.submit(bytes, 60 << 20).result()
        except OutOfMemory as error:
            print(error)
    assert executor.submit(bytes, 10 << 20).result() == bytes(10 << 20)
"""


def test_a_limit_on_the_size_of_files_bounds_what_a_worker_returns():
    done = subprocess.run(
        [sys.executable, "-c", FEW_FILES], capture_output=True, text=True, check=False, timeout=patience(120)
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("no memory is left") == 3


def test_a_child_that_has_no_descriptor_for_new_memory_reports_that_and_survives():
    with Worker(sub_workers=1) as worker:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

        def limit(args):
            most = args.scalars[0]
            if not most:
                most = os.open("/dev/null", os.O_RDONLY)
                os.close(most)
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))

        handle = worker.register(limit)
        submit(worker, handle, TaskArgs(scalars=[0])).result()
        with pytest.raises(OutOfDescriptors, match="sub-worker 0"):
            worker.zeros(1 << 29, "uint8")
        submit(worker, handle, TaskArgs(scalars=[soft])).result()
        assert worker.children[0].incarnation == 1


def test_a_child_that_has_no_descriptor_for_a_large_callable_refuses_it_for_that_reason():
    with Worker(sub_workers=1) as worker:

        def limit(args):
            lowest = os.open("/dev/null", os.O_RDONLY)
            os.close(lowest)
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

        submit(worker, worker.register(limit)).result()
        ballast = os.urandom(MEBIBYTE)
        with pytest.raises(PartialFailureError, match=r"out_of_descriptors.*ulimit -n"):
            worker.register(lambda args: len(ballast))
        assert worker.children[0].incarnation == 1


def test_a_descriptor_that_the_parent_cannot_open_is_a_typed_error_everywhere():
    with Worker(sub_workers=1) as worker:
        ballast = os.urandom(MEBIBYTE)
        with no_descriptors():
            with pytest.raises(OutOfDescriptors, match="ulimit -n"):
                worker.register(lambda args: len(ballast))
            with pytest.raises(OutOfDescriptors, match="ulimit -n"):
                worker.zeros(1 << 29, "uint8")
            with pytest.raises(OutOfDescriptors, match="ulimit -n"):
                Worker(sub_workers=1)
        x = worker.zeros(1)
        handle = worker.register(lambda args: len(args[0]))
        assert submit(worker, handle, TaskArgs((x, Tag.INPUT))).result() == 1
        assert all_ready(worker)


ELSEWHERE = pytest.param(
    "call_elsewhere",
    marks=pytest.mark.skipif(
        sys.version_info < (3, 14),
        reason="a CPython before 3.14 loses a MemoryError, and may crash, where it has no memory for the frame object "
        "of a caller (take_ownership in Python/frame.c)",
    ),
)


REGISTER = pytest.param(
    "register",
    marks=pytest.mark.not_sanitized("a pybind11 with assertions ends the process where it has no memory for bytes"),
)


@pytest.mark.parametrize("what", ["submit", "launch", REGISTER, "allocate", "call", ELSEWHERE])
def test_a_parent_without_memory_refuses_new_work_and_continues_when_memory_is_free(what):
    left = 48 * MEBIBYTE
    program = [sys.executable, "-m", "tests.contract.short_of_memory", what, str(left)]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=patience(120))
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 0


# In a new process: the modules that an error needs may be loaded here already.
LOSES_A_CHIP_WITHOUT_DESCRIPTORS = """
import pathlib, pickle, resource, sys
from runtime import Tag, TaskArgs, Worker

with Worker(chips=1) as worker:
    crash = worker.register(pickle.loads(pathlib.Path(sys.argv[1]).read_bytes()))
    args = TaskArgs((worker.zeros(1, "f8"), Tag.INOUT))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard[1]))
    try:
        worker.run(lambda o: o.submit_next_level(crash, args, worker=0) and None)
    except Exception as error:
        resource.setrlimit(resource.RLIMIT_NOFILE, hard)
        print(error.code, "SIGSEGV" in str(error))
"""


def test_the_first_loss_of_a_process_is_worker_lost_without_descriptors_too(chip, tmp_path):
    kernel = tmp_path / "crash"
    kernel.write_bytes(pickle.dumps(chip["crash"]))
    command = [sys.executable, "-c", LOSES_A_CHIP_WITHOUT_DESCRIPTORS, str(kernel)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=patience(60))
    assert done.stdout == "WORKER_LOST True\n", done.stderr[-3000:]


STARTS_WITHOUT_DESCRIPTORS = """
import resource
from runtime import Worker

worker = Worker(chips=1, sub_workers=1)
hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard[1]))
for start in (lambda: Worker(sub_workers=1), worker.init):
    try:
        start()
    except Exception as error:
        print(getattr(error, "code", error), "ulimit -n" in str(error))
"""


def test_a_worker_that_starts_in_a_process_without_descriptors_says_how_to_raise_the_limit():
    command = [sys.executable, "-c", STARTS_WITHOUT_DESCRIPTORS]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=patience(60))
    assert done.stdout == "OUT_OF_DESCRIPTORS True\nSTART_FAILED True\n", done.stderr[-3000:]
