"""The main script in workers: its objects are pickled by value if possible, and it is imported only when needed."""

import os
import subprocess
import sys

import pytest

from tests.contract.conftest import NATIVE
from tests.patience import patience


def run(folder, text, *options, name="script"):
    """Runs a main script. Returns the completed process."""
    path = folder / f"{name}.py"
    path.write_text(text)
    command = [sys.executable, *(options or [path])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(NATIVE.parent)])}
    return subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=patience(120), check=False
    )


def succeeds(done):
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


NAMES_ONLY = """
import functools, threading
from runtime import Executor, Worker
print("imported")

LOCK = threading.Lock()

class Point:
    def __init__(self, x): self.x = x

@functools.lru_cache
def cached(x): return Point(x + 1)

@functools.singledispatch
def kind(x): return "any"

@kind.register
def _(x: int): return "int"

def locked(point):
    with LOCK:
        assert isinstance(point, Point), type(point)
        return Point(2 * point.x)

def uses_cached(args): return cached(args.scalars[0]).x
"""

GUARDED = (
    NAMES_ONLY
    + """
if __name__ == "__main__":
    with Executor(max_workers=1) as executor:
        found = executor.submit(cached, 1).result()
        assert (type(found), found.x) == (Point, 2)
        assert executor.submit(kind, 1).result() == "int"
        assert executor.submit(kind, "1").result() == "any"
        doubled = executor.submit(locked, Point(4)).result()
        assert (type(doubled), doubled.x) == (Point, 8)
        assert list(executor.map(locked, [Point(1), Point(2)]))[1].x == 4
    with Worker(sub_workers=1) as worker:
        handle = worker.register(uses_cached)
        from runtime import TaskArgs
        assert worker.run(lambda o: o.submit_sub(handle, TaskArgs(scalars=[3]))).result() == 4
"""
)


def test_functions_that_cannot_be_pickled_by_value_make_a_worker_import_the_main_script_once(tmp_path):
    # Once in the program, once in the worker of each of the two Workers.
    assert succeeds(run(tmp_path, GUARDED)) == ["imported"] * 3


def test_a_main_module_that_was_started_by_its_name_is_imported_by_its_name(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "package" / "helper.py").write_text("VALUE = 1\n")
    text = "from .helper import VALUE\n" + GUARDED
    (tmp_path / "package" / "program.py").write_text(text)
    assert succeeds(run(tmp_path, "", "-m", "package.program")) == ["imported"] * 3


@pytest.mark.parametrize("by", ["submit", "register"])
def test_the_error_of_a_script_without_a_guard_that_must_be_imported_shows_the_guard(tmp_path, by):
    use = {
        "submit": "with Executor(max_workers=1) as executor: executor.submit(kind, 1).result()",
        "register": "with Worker(sub_workers=1) as worker: worker.register(kind)",
    }[by]
    done = run(tmp_path, f"{NAMES_ONLY}\n{use}\n")
    assert done.returncode == 1
    assert '`if __name__ == "__main__":`' in done.stderr
    assert "'kind'" in done.stderr


BY_VALUE = """
import multiprocessing, pickle
from runtime import Executor, Worker
print("run")

class Point:
    def __init__(self, x): self.x = x

def double(point): return Point(2 * point.x)

def dumps(point): return pickle.dumps(point), pickle.dumps(Point), pickle.dumps(double), type(point) is Point

def in_a_pool(points):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return [point.x for point in pool.map(double, points)]

def undefined(): return pickle.loads(b"c__main__\\nnothing_there\\n.")

with Executor(max_workers=1) as executor:
    point, kind, function, same = executor.submit(dumps, Point(3)).result()
    assert type(pickle.loads(point)) is Point and pickle.loads(kind) is Point and pickle.loads(function) is double
    assert same
    assert executor.submit(in_a_pool, [Point(1), Point(5)]).result() == [2, 10]
    assert executor.submit(lambda: double(Point(1))).result().x == 2
    error = executor.submit(undefined).exception()
    assert type(error) is AttributeError, error
with Worker(sub_workers=1) as worker:
    handle = worker.register(lambda args: double(Point(4)))
    found = worker.run(lambda o: o.submit_sub(handle)).result()
    assert type(found) is Point and found.x == 8
"""


def test_a_script_without_a_guard_runs_once_while_a_task_pickles_objects_of_it_and_uses_a_pool(tmp_path):
    assert succeeds(run(tmp_path, BY_VALUE)) == ["run"]


SPAWNED = """
import multiprocessing
from runtime import Executor, Worker

class Point:
    def __init__(self, x): self.x = x

def double(point):
    assert isinstance(point, Point)
    return Point(2 * point.x)

def of_a_worker(args): return double(Point(21))

def child(results):
    with Executor(max_workers=1) as executor:
        doubled = executor.submit(double, Point(2)).result()
        results.put((type(doubled) is Point, doubled.x))
        results.put(executor.submit(lambda: double(Point(3))).result().x)
    with Worker(sub_workers=1) as worker:
        handle = worker.register(of_a_worker)
        results.put(worker.run(lambda o: o.submit_sub(handle)).result().x)

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=child, args=(results,))
    process.start()
    for _ in range(3):
        print(results.get(timeout=60))
    process.join()
    assert process.exitcode == 0
"""


def test_functions_of_the_main_script_work_in_a_process_that_multiprocessing_spawned(tmp_path):
    assert succeeds(run(tmp_path, SPAWNED)) == ["(True, 4)", "6", "42"]


TYPED_IN = """
import functools
from runtime import Executor
@functools.lru_cache
def cached(x): return x
def plain(x): return x
with Executor(max_workers=1) as executor:
    assert executor.submit(plain, 1).result() == 1
    print(type(executor.submit(cached, 1).exception()).__name__)
"""


def test_functions_of_an_interactive_session_are_pickled_by_value_or_fail_alone(tmp_path):
    assert succeeds(run(tmp_path, "", "-c", TYPED_IN)) == ["AttributeError"]
