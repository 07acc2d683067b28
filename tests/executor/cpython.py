"""CPython's own executor tests, imported from the current interpreter and run with runtime.Executor.

They are imported, never copied: 3.12 and newer have a package of them, 3.11 one module. Many interpreters are packaged
without their tests; then ``MISSING`` says so, and tests/executor/other_python.py searches for another interpreter.
"""

import importlib
import multiprocessing
import unittest
from concurrent import futures
from pathlib import Path

from runtime import Executor
from runtime.pickles.outcomes import RemoteTraceback

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = "test.test_concurrent_futures"

_UNPICKLING = "the future has the error of unpickling; the pool does not break"

# Tests that fail here, and that do not exist in every release of every Python version.
NEWER = {
    "test_python_finalization_error": "replaces the start of private threads",
    "test_broken_process_pool_traceback": "ends one of private _processes and expects the pool to break",
    "test_terminate_workers": "replaces a private method",
    "test_kill_workers": "replaces a private method",
    "test_force_shutdown_workers_invalid_op": "calls a private method",
    "test_force_shutdown_workers": "joins private _processes",
    "test_force_shutdown_workers_stops_pool": "joins private _processes",
    "test_force_shutdown_during_max_tasks_worker_exit": "joins a private thread",
    "test_failed_worker_replacement_breaks_pool": "joins a private thread",
    "test_shutdown_no_wait_max_tasks_gh119592": "joins a private thread",
    "test_gc_during_max_tasks_worker_exit_gh152967": "joins a private thread",
    "test_traceback_when_child_process_terminates_abruptly": "expects the message of a broken pool",
}

# All tests that fail here, and why. docs/reference/executor.md has the same list in words.
EXCLUDED = {
    **NEWER,
    # They read ProcessPoolExecutor's private attributes; tests/executor/test_executor.py has the same scenarios.
    "test_killed_child": "expects the pool to break; here it survives",
    "test_saturation": "counts private _processes",
    "test_idle_process_reuse_one": "counts private _processes, which here are started at once",
    "test_idle_process_reuse_multiple": "counts private _processes, which here are started at once",
    "test_processes_terminate": "counts private _processes",
    "test_context_manager_shutdown": "joins private _processes",
    "test_del_shutdown": "joins private threads and _processes",
    "test_shutdown_no_wait": "joins private threads and _processes",
    "test_shutdown_deadlock_pickle": "joins a private thread",
    # All calls that have not begun are cancelled; right after the submits, these may be all calls.
    "test_cancel_futures": "expects that at least one call of 50 could not be cancelled",
    # They read private attributes; tests/executor/test_drop_in.py tests max_tasks_per_child.
    "test_max_tasks_per_child": "counts private _processes",
    "test_max_tasks_per_child_defaults_to_spawn_context": "reads the private _mp_context",
    # A call whose arguments or result cannot be unpickled fails with that error; the pool does not break.
    "test_error_at_task_unpickle": _UNPICKLING,
    "test_exit_at_task_unpickle": _UNPICKLING,
    "test_error_during_result_unpickle_in_result_handler": _UNPICKLING,
    "test_exit_during_result_unpickle_in_result_handler": _UNPICKLING,
}


def _import(name):
    try:
        return importlib.import_module(f"{PACKAGE}.{name}")
    except ModuleNotFoundError:
        return importlib.import_module(PACKAGE)  # one module holds them all


try:
    _SHUTDOWN, _WAIT, _COMPLETED = _import("test_shutdown"), _import("test_wait"), _import("test_as_completed")
    _POOL, _DEADLOCK, _INIT, _UTIL = map(_import, ("test_process_pool", "test_deadlock", "test_init", "util"))
    MISSING = None
except (ImportError, unittest.SkipTest) as error:
    MISSING = f"this interpreter is packaged without its tests: {error}"


class DropIn(Executor):
    """Callring's Executor under the name that the tests use."""


DropIn.__name__ = "ProcessPoolExecutor"  # the scripts of test_shutdown import this name


def _run_with_ours(run):
    """Replaces the import of ProcessPoolExecutor in scripts by this module's class."""

    def run_script(*arguments, **environment):
        *options, script = arguments
        imports = "from concurrent.futures import ProcessPoolExecutor"
        ours = "from tests.executor.cpython import DropIn as ProcessPoolExecutor"
        assert imports in script
        return run(*options, script.replace(imports, ours), __isolated=False, __cwd=ROOT, **environment)

    return run_script


def test_cases():
    """CPython's test classes over Callring's Executor, by name."""

    class OurMixin(_UTIL.ExecutorMixin):
        executor_type = DropIn

        def get_context(self):
            return multiprocessing.get_context("forkserver")

        def create_event(self):
            # Newer Pythons call this method of their own mixins. tearDown ends the manager.
            self.manager = self.manager or self.get_context().Manager()
            return self.manager.Event()

    bases = {
        "Executor": _POOL.ProcessPoolExecutorTest,
        "Shutdown": _SHUTDOWN.ProcessPoolShutdownTest,
        "Wait": _WAIT.WaitTests,
        "AsCompleted": _COMPLETED.AsCompletedTests,
        "Deadlock": _DEADLOCK.ExecutorDeadlockTest,
        "Initializer": _INIT.InitializerMixin,
    }
    cases = {name: type(name, (base, OurMixin, _UTIL.BaseTestCase), {}) for name, base in bases.items()}
    for case in cases.values():
        for name in [name for name in dir(case) if name.startswith("test_") and name in EXCLUDED]:
            setattr(case, name, unittest.skip(EXCLUDED[name])(getattr(case, name)))
    return cases


def known_tests():
    """The names of all tests in those classes."""
    return {name for case in test_cases().values() for name in dir(case) if name.startswith("test_")}


def point_at_ours(monkeypatch):
    """Replaces names of ProcessPoolExecutor's modules in CPython's tests with Callring's."""
    monkeypatch.setattr(_SHUTDOWN, "assert_python_ok", _run_with_ours(_SHUTDOWN.assert_python_ok))
    for module in (_DEADLOCK, _POOL):
        # The pool never breaks, but errors have a base class that users of pools handle.
        monkeypatch.setattr(module, "BrokenProcessPool", futures.BrokenExecutor)
    monkeypatch.setattr(futures.process, "_RemoteTraceback", RemoteTraceback)
