"""multiprocessing's objects are shared with workers or refused by name; shared memory that a worker attached stays."""

import os
import subprocess
import sys

import pytest

from tests.contract.conftest import NATIVE
from tests.patience import patience


def run(folder, text):
    """Runs a main script, which must succeed and write nothing to standard error. Returns its printed lines."""
    path = folder / "script.py"
    path.write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(NATIVE.parent)}
    done = subprocess.run(
        [sys.executable, path], env=environment, capture_output=True, text=True, timeout=patience(120), check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


MEMORY = """
from multiprocessing.shared_memory import SharedMemory
from runtime import Executor

def attach(name):
    block = SharedMemory(name)
    block.buf[0] += 1
    block.close()

def create():
    block = SharedMemory(create=True, size=16)
    block.buf[0] = 7
    block.close()
    return block.name

def receive(block):
    block.buf[1] = 9
    block.close()

if __name__ == "__main__":
    block = SharedMemory(create=True, size=16)
    with Executor(max_workers=2) as executor:
        for _ in range(4):
            executor.submit(attach, block.name).result()
        executor.submit(receive, block).result()
        name = executor.submit(create).result()
    made, again = SharedMemory(name), SharedMemory(block.name)
    assert (made.buf[0], again.buf[0], again.buf[1]) == (7, 4, 9)
    for one in (made, again, block):
        one.close()
    made.unlink()
    block.unlink()
"""


def test_shared_memory_outlives_the_workers_that_attached_or_made_it(tmp_path):
    run(tmp_path, MEMORY)


UNTRACKED = """
import os, sys
from runtime import Executor
name = f"attached-{os.getpid()}"
path = "/dev/shm/" + name
with open(path, "wb") as file:
    file.write(bytes(16))

def attach(name):
    from multiprocessing.shared_memory import SharedMemory
    SharedMemory(name).close()

if __name__ == "__main__":
    try:
        with Executor(max_workers=1) as executor:
            executor.submit(attach, name).result()
        assert os.path.exists(path)
        assert "multiprocessing" not in sys.modules
    finally:
        os.unlink(path)
"""


def test_shared_memory_that_a_worker_attaches_stays_even_if_the_parent_uses_no_multiprocessing(tmp_path):
    run(tmp_path, UNTRACKED)


GIVEN = """
given = []

def keep(*values):
    given[:] = values

def use():
    queue, value = given
    with value.get_lock():
        value.value += 1
    queue.put("given")
"""

SHARED = """
import multiprocessing, os
import keeper
from runtime import Executor, Worker

context = multiprocessing.get_context("spawn")

def lock(one):
    assert not one.acquire(block=False)
    return "held"
def release(one): one.release()
def put(one): one.put(os.getpid())
def send(one): one.send([1, 2])
def receive(one): return one.recv()
def event(one): one.set()
def add(one):
    with one.get_lock():
        one.value += 1
def fill(one): one[1] = 5
def wait(one): return one.wait(30) in (0, 1)

if __name__ == "__main__":
    queue, value = context.SimpleQueue(), context.Value("i", 0)  # they have no thread that a death could interrupt
    with Executor(max_workers=2, initializer=keeper.keep, initargs=(queue, value)) as executor:
        def call(function, *args): return executor.submit(function, *args).result(30)
        for kind in (context.Lock, context.RLock, context.Semaphore, context.BoundedSemaphore):
            one = kind()
            one.acquire()
            assert call(lock, one) == "held", kind
            one.release()
        semaphore = context.Semaphore(0)
        call(release, semaphore)
        assert semaphore.acquire(timeout=30)
        for kind in (context.Queue, context.SimpleQueue, context.JoinableQueue):
            one = kind()
            call(put, one)
            assert one.get() != os.getpid()
        happened = context.Event()
        call(event, happened)
        assert happened.is_set()
        number, numbers = context.Value("i", 1), context.Array("i", [1, 2, 3])
        call(add, number)
        call(fill, numbers)
        assert (number.value, numbers[:]) == (2, [1, 5, 3])
        raw = context.RawArray("i", 3)
        call(fill, raw)
        assert raw[:] == [0, 5, 0]
        barrier = context.Barrier(2)
        future = executor.submit(wait, barrier)
        assert barrier.wait(30) in (0, 1) and future.result()
        for duplex in (False, True):
            reader, writer = context.Pipe(duplex=duplex)
            call(send, writer)
            assert reader.poll(30) and reader.recv() == [1, 2]
            writer.send("there")
            assert call(receive, reader) == "there"
            # Also within a function that is pickled by value.
            writer.send("again")
            assert executor.submit(lambda: reader.recv()).result(30) == "again"
        # Every worker has what the initializer was given, and so do replacements.
        call(keeper.use)
        executor.submit(os._exit, 1).exception()
        call(keeper.use)
        assert (value.value, queue.get(), queue.get()) == (2, "given", "given")
    with Worker(sub_workers=1) as worker:
        handle = worker.register(lambda args: add(number))
        worker.run(lambda o: o.submit_sub(handle) and None)
        assert number.value == 3
"""


def test_objects_that_multiprocessing_shares_with_spawned_processes_work_in_workers_and_replacements(tmp_path):
    (tmp_path / "keeper.py").write_text(GIVEN)
    run(tmp_path, SHARED)


LAST = """
import multiprocessing, threading
from runtime import Executor

def put(queue): queue.put(bytes(1 << 25))

if __name__ == "__main__":
    queue, got = multiprocessing.get_context("spawn").Queue(), []
    reader = threading.Thread(target=lambda: got.append(queue.get()), daemon=True)
    reader.start()
    with Executor(max_workers=1) as executor:
        executor.submit(put, queue).result()
    reader.join(60)
    assert [len(one) for one in got] == [1 << 25]
"""


def test_a_worker_writes_the_items_that_its_last_call_put_into_a_queue_before_it_ends(tmp_path):
    run(tmp_path, LAST)


REFUSED = """
import multiprocessing, socket
from multiprocessing import synchronize
from runtime import Executor, Worker

context = multiprocessing.get_context("fork")

def nothing(*given): pass

if __name__ == "__main__":
    with Executor(max_workers=1) as executor:
        for one, name in (
            (context.Lock(), "Lock"), (context.RLock(), "RLock"), (context.Semaphore(), "Semaphore"),
            (context.Event(), "Lock"), (context.Queue(), "Lock"), (context.Value("i", 1), "RLock"),
        ):
            for function in (nothing, lambda given: None):
                error = executor.submit(function, one).exception(30)
                assert isinstance(error, TypeError), error
                assert f"multiprocessing {name} of the start method 'fork'" in str(error), (name, error)
                assert "get_context('spawn')" in str(error)
        assert executor.submit(nothing).exception() is None
        assert executor.worker.children[0].incarnation == 1
    with Worker(sub_workers=1) as worker:
        lock, connection = context.Lock(), multiprocessing.Pipe()[0]
        for target, words in (
            (lambda args: lock, "multiprocessing Lock"), (lambda args: connection, "duplex multiprocessing Connection"),
        ):
            try:
                worker.register(target)
            except TypeError as error:
                assert words in str(error), error
            else:
                raise AssertionError(words)
"""


def test_objects_that_no_worker_can_use_are_refused_by_name_at_submit(tmp_path):
    run(tmp_path, REFUSED)


CLOSED = """
import multiprocessing
from runtime import Executor, Worker

def closed(reader): return reader.recv()

if __name__ == "__main__":
    gate, opened = multiprocessing.get_context("spawn").Pipe(duplex=False)
    reader, writer = multiprocessing.get_context("spawn").Pipe(duplex=False)
    with Executor(max_workers=1) as executor:
        first = executor.submit(closed, gate)
        second = executor.submit(closed, reader)
        reader.close()
        opened.send(1)
        assert first.result(30) == 1
        assert isinstance(second.exception(30), ConnectionError), second.exception()
"""


def test_an_object_that_the_parent_closes_before_the_call_begins_fails_that_call_alone(tmp_path):
    run(tmp_path, CLOSED)


MANAGER = """
import multiprocessing
from runtime import Executor, Worker

def put(proxy, key): proxy[key] = key * 2

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Manager() as manager:
        values, lock = manager.dict(), manager.Lock()
        with Executor(max_workers=2) as executor:
            list(executor.map(put, [values] * 3, range(3)))
            executor.submit(lambda: values.update(more=1)).result(30)
        with Worker(sub_workers=1) as worker:
            handle = worker.register(lambda args: put(values, 7))
            worker.run(lambda o: o.submit_sub(handle) and None)
        assert dict(values) == {0: 0, 1: 2, 2: 4, 7: 14, "more": 1}
"""


def test_proxies_of_a_manager_work_in_workers(tmp_path):
    run(tmp_path, MANAGER)


AUTHENTICATION = """
import multiprocessing, os, sys
from pathlib import Path
from runtime import Worker

if __name__ == "__main__":
    key = bytes(multiprocessing.current_process().authkey)
    def known(args):
        import multiprocessing
        return bytes(multiprocessing.current_process().authkey)
    with Worker(sub_workers=1) as worker:
        assert worker.run(lambda o: o.submit_sub(worker.register(known))).result() == key
        sub = worker.children[0].pid
        server = Path(f"/proc/{sub}/stat").read_text().rsplit(")", 1)[1].split()[1]
        for pid in (sub, server):
            for file in ("cmdline", "environ"):  # what other processes may read
                content = Path(f"/proc/{pid}/{file}").read_bytes()
                assert key not in content and key.hex().encode() not in content
"""


def test_the_authentication_key_reaches_workers_and_no_file_that_others_may_read(tmp_path):
    run(tmp_path, AUTHENTICATION)


def test_a_closed_worker_keeps_no_copy_of_the_resource_trackers_pipe(tmp_path):
    script = """
import os
from multiprocessing import resource_tracker
from runtime import Worker
with Worker(sub_workers=1) as worker:
    pass
pipe = os.readlink(f"/proc/self/fd/{resource_tracker.getfd()}")
print([os.path.realpath(f"/proc/self/fd/{fd}").endswith(pipe) for fd in os.listdir("/proc/self/fd")].count(True))
"""
    assert run(tmp_path, script) == ["1"]  # the interpreter waits until the last copy is closed


@pytest.mark.parametrize("imported", ["", "import multiprocessing.resource_tracker"])
def test_a_worker_starts_no_resource_tracker_for_a_program_that_does_not_use_one(tmp_path, imported):
    script = f"""
import sys
{imported}
from runtime import Worker
with Worker(sub_workers=1) as worker:
    handle = worker.register(lambda args: [name for name in __import__("sys").modules if "multiprocessing" in name])
    print(worker.run(lambda o: o.submit_sub(handle)).result())
"""
    assert run(tmp_path, script) == ["[]"]
