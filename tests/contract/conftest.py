"""Real kernels for real children, and a check after every test that no process of Callring is left."""

import contextlib
import fcntl
import os
import re
import signal
import sys
import tempfile
import time
from pathlib import Path

import pytest

from runtime import ArgDirection, _core
from runtime.errors import CallringError
from runtime.toolchain import build_chip_callable
from tests import process_tree
from tests.patience import patience

IN, OUT, INOUT, SCALAR = ArgDirection.IN, ArgDirection.OUT, ArgDirection.INOUT, ArgDirection.SCALAR

NATIVE = Path(__file__).resolve().parent.parent.parent / "native"

KERNELS = {
    "add": (
        [IN, IN, OUT],
        """
    const auto *a = static_cast<const double *>(args->tensors[0].data);
    const auto *b = static_cast<const double *>(args->tensors[1].data);
    auto *out = static_cast<double *>(args->tensors[2].data);
    int64_t begin = 0, end = 0;
    callring_block_range(block, args->tensors[2].shape[0], &begin, &end);
    for (int64_t i = begin; i < end; ++i) { out[i] = a[i] + b[i]; }
    return 0;""",
    ),
    "fail_with": ([SCALAR], "(void)block; return static_cast<int>(args->scalars[0]);"),
    "segfault": ([SCALAR], "(void)block; *reinterpret_cast<volatile int *>(args->scalars[0]) = 1; return 0;"),
    "crash_in_block": (
        [SCALAR, SCALAR],
        """
    // A signal ends the block with index scalars[0]; its cause is scalars[1]: 0 a bad address, 1 abort(),
    // 2 an invalid instruction, 3 a SIGKILL that the block sends to its own process.
    if (block->index != args->scalars[0]) { return 0; }
    switch (args->scalars[1]) {
        case 0: *reinterpret_cast<volatile int *>(8) = 1; break;
        case 1: abort();
        case 2: __builtin_trap();
        default: kill(getpid(), SIGKILL);
    }
    return 0;""",
    ),
    "crash": ([INOUT], "(void)block; (void)args; *reinterpret_cast<volatile int *>(8) = 1; return 0;"),
    "write_over_lane": (
        [INOUT, SCALAR, SCALAR, SCALAR, SCALAR],
        """
    // Counts its starts, writes scalars[2] over bytes scalars[0] to scalars[1] of its lane, crashes if scalars[3] != 0.
    if (block->index != 0) { return 0; }
    *static_cast<volatile double *>(args->tensors[0].data) += 1;
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    while (fgets(line, sizeof line, maps) != nullptr) {
        unsigned long begin = 0, end = 0;
        if (strstr(line, "callring-lane") != nullptr && sscanf(line, "%lx-%lx", &begin, &end) == 2) {
            const unsigned long size = end - begin;
            const unsigned long to = args->scalars[1] < size ? args->scalars[1] : size;
            memset(reinterpret_cast<void *>(begin + args->scalars[0]), static_cast<int>(args->scalars[2]),
                   to - args->scalars[0]);
        }
    }
    fclose(maps);
    if (args->scalars[3] != 0) { *reinterpret_cast<volatile int *>(8) = 1; }
    return 0;""",
    ),
    "crash_once": (
        [INOUT],
        """
    auto *begun = static_cast<volatile double *>(args->tensors[0].data);
    if (block->index == 0 && (begun[0] += 1) == 1) { *reinterpret_cast<volatile int *>(8) = 1; }
    return 0;""",
    ),
    "count": (
        [INOUT, SCALAR],
        """
    if (block->index == 0) {
        usleep(static_cast<unsigned>(args->scalars[0]));
        *static_cast<volatile double *>(args->tensors[0].data) += 1;
    }
    return 0;""",
    ),
    "sleep_ms": ([SCALAR], "(void)block; usleep(static_cast<unsigned>(args->scalars[0]) * 1000); return 0;"),
    "meet": (
        [INOUT, SCALAR, SCALAR],
        """
    auto *flags = static_cast<volatile double *>(args->tensors[0].data);
    if (block->index == 0) {
        flags[args->scalars[0]] += 1;
        for (uint64_t i = 0; i < args->scalars[1]; ++i) {
            for (int tries = 0; flags[i] == 0; ++tries) { if (tries > 20000) { return 9; } usleep(1000); }
        }
    }
    return 0;""",
    ),
    "hold": (
        [INOUT],
        """
    (void)block;
    const auto *gate = static_cast<volatile double *>(args->tensors[0].data);
    for (int tries = 0; gate[0] == 0; ++tries) { if (tries > 20000) { return 9; } usleep(1000); }
    return 0;""",
    ),
    "look": (
        [IN, OUT],
        """
    (void)block;
    *static_cast<double *>(args->tensors[1].data) = *static_cast<const volatile double *>(args->tensors[0].data);
    return 0;""",
    ),
    "affine": (
        [INOUT, SCALAR, SCALAR],
        """
    (void)block;
    auto *x = static_cast<double *>(args->tensors[0].data);
    for (int64_t i = 0; i < args->tensors[0].shape[0]; ++i) {
        double &v = x[i * args->tensors[0].strides[0]];
        v = v * static_cast<double>(args->scalars[0]) + static_cast<double>(args->scalars[1]);
    }
    return 0;""",
    ),
}


# Read from its definition: tests that build frames or messages by hand use the current version.
LAYOUT_VERSION = int(re.search(r"define CALLRING_LAYOUT_VERSION (\d+)", (NATIVE / "lane" / "layout.h").read_text())[1])


def source_of(name, body, signature):
    directions = ", ".join(f"CALLRING_{direction.name}" for direction in signature)
    names = ("callring/chip.h", "signal.h", "stdio.h", "stdlib.h", "string.h", "unistd.h")
    headers = "".join(f"#include <{name}>\n" for name in names)
    return (
        f"{headers}CALLRING_SIGNATURE({name}, {directions});\n"
        f"CALLRING_EXPORT int {name}(const callring_block *block, const callring_args *args) {{\n{body}\n}}\n"
    )


@pytest.fixture(autouse=True)
def no_error_names_a_place_of_this_machine(monkeypatch):
    """Checks every error of every test: messages go into logs and reports that other people read."""
    said = []
    init = CallringError.__init__

    def noted(self, message="", **fields):
        said.append(str(message))
        init(self, message, **fields)

    monkeypatch.setattr(CallringError, "__init__", noted)
    yield
    places = (str(NATIVE.parent), sys.prefix, sys.base_prefix, tempfile.gettempdir() + "/")
    assert [message for message in said if any(place in message for place in places)] == []


class Gate:
    """Closed until open() is called. Tasks wait for it without polling."""

    def __init__(self, path):
        self._path = path
        self._lock = os.open(path, os.O_CREAT | os.O_RDWR)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def task(self):
        """A function for workers that returns once the gate is open."""
        path = self._path

        def wait_for_the_gate(args):
            with path.open() as file:
                fcntl.flock(file, fcntl.LOCK_SH)

        return wait_for_the_gate

    def open(self):
        """Lets the waiting tasks and all later tasks return."""
        fcntl.flock(self._lock, fcntl.LOCK_UN)

    def remove(self):
        """Opens the gate for good."""
        os.close(self._lock)


@pytest.fixture
def gate(tmp_path):
    """A closed gate, which is opened at the end of the test in every case."""
    closed = Gate(tmp_path / "gate")
    yield closed
    closed.remove()


@pytest.fixture(scope="session")
def chip(tmp_path_factory):
    """Compiled chip callables by name."""
    folder = tmp_path_factory.mktemp("kernels")
    built = {}
    for name, (signature, body) in KERNELS.items():
        source = folder / f"{name}.cpp"
        source.write_text(source_of(name, body, signature))
        built[name] = build_chip_callable(source, signature=signature, platform="a2a3sim")
    return built


def descendants():
    """Pids of living processes below this one, after the end of a fork server that is kept for the next Worker, and
    without those of Python's multiprocessing that live as long as this process once anything has started them.
    """
    _core.end_kept_fork_server(for_good=False)
    found = process_tree.descendants()
    # Not imported here: with the module imported, the first Worker with Python children starts the tracker.
    if trackers := sys.modules.get("multiprocessing.resource_tracker"):
        found.discard(trackers._resource_tracker._pid)
    if servers := sys.modules.get("multiprocessing.forkserver"):
        found.discard(servers._forkserver._forkserver_pid)
    return found


def gone(pid):
    """Whether a process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def wait_until(condition, seconds=10.0):
    """Waits until ``condition()`` is true. Returns whether that happened in time."""
    end = time.monotonic() + patience(seconds)
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def all_ready(worker):
    """Waits until every child is ready, replacements included. Returns whether all are."""
    return wait_until(lambda: all(child.state == "ready" for child in worker.children), 30)


def stop(pid):
    """Stops a process, and returns when all its threads have stopped: a running thread takes a moment to stop."""

    def is_stopped():
        states = [(thread / "stat").read_text().rsplit(")", 1)[1].split()[0] for thread in tasks.iterdir()]
        return set(states) == {"T"}

    tasks = Path(f"/proc/{pid}/task")
    os.kill(pid, signal.SIGSTOP)
    assert wait_until(is_stopped)


class Stopped:
    """Stops a child for the duration of the block."""

    def __init__(self, worker, index):
        self.pid = worker.children[index].pid

    def __enter__(self):
        stop(self.pid)
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)


def told_of(pids):
    """The command line of each remaining process and where it waits in the kernel, for the message of a failure."""
    told = ["processes of Callring are left"]
    for pid in sorted(pids):
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            told.append(f"{pid}: {command}: {Path(f'/proc/{pid}/wchan').read_text()}")
    return "\n".join(told)


@pytest.fixture(autouse=True)
def nothing_is_left():
    before = descendants()
    yield
    assert wait_until(lambda: not descendants() - before), told_of(descendants() - before)
    assert not [entry for entry in Path("/dev/shm").iterdir() if "callring" in entry.name]
