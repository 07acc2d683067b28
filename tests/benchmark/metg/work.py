"""The work of a task: a busy loop, the same machine code for chips, for Python tasks and for native peers.

A task also computes its depth in the graph, one more than the greatest of its inputs: a missing dependency shows.
"""

from __future__ import annotations

import ctypes
import functools
import time
from collections.abc import Callable
from pathlib import Path

from runtime import ArgDirection
from runtime.chips.chip_callable import ChipCallable
from tests.benchmark import kernels
from tests.benchmark.compiled import compiled

FOLDER = Path(__file__).parent


@functools.cache
def chip_task(inputs: int) -> ChipCallable:
    """A chip task. Takes the depths of ``inputs`` tasks, its own depth (output), and a number of iterations."""
    body = """uint64_t depth = 0;
    for (uint32_t i = 0; i + 1 < args->tensor_count; ++i) {
        const uint64_t input = *static_cast<const uint64_t *>(args->tensors[i].data);
        depth = input > depth ? input : depth;
    }
    spin(args->scalars[0]);
    *static_cast<uint64_t *>(args->tensors[args->tensor_count - 1].data) = depth + 1;
    return 0;"""
    signature = [*[ArgDirection.IN] * inputs, ArgDirection.OUT, ArgDirection.SCALAR]
    return kernels.built(f"chip_task_{inputs}", body, signature, (FOLDER / "spin.h").read_text())


def library(folder: Path) -> str:
    """The path of the busy loop as a library, built in ``folder``."""
    return str(compiled(FOLDER / "spin.cpp", folder / "spin.so", "-shared", "-fPIC"))


@functools.cache
def loaded(path: str) -> Callable[[int], None]:
    """The busy loop of such a library; it takes a number of iterations."""
    loop = ctypes.CDLL(path).spin_for
    loop.argtypes = [ctypes.c_uint64]
    loop.restype = None
    return loop


def python_task(path: str, iterations: int, *inputs: int) -> int:
    """A task of a pool: takes the depths of its inputs, returns its own."""
    loaded(path)(iterations)
    return 1 + max(inputs, default=0)


def iterations_per_us(path: str) -> float:
    """How many iterations a microsecond of processor time is: the fastest of several short measurements."""
    loop, count, least = loaded(path), 50_000, float("inf")
    for _ in range(5):
        begin = time.thread_time_ns()
        loop(count)
        least = min(least, time.thread_time_ns() - begin)
    return count / least * 1e3
