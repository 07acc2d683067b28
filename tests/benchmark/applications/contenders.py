"""What executes the programs: Callring in two ways, the kernels alone, and OpenMP."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from runtime import TaskArgs, Worker, WorkerOptions
from tests.benchmark.applications.kernels import TAGS, chip_callables
from tests.benchmark.applications.program import Array, Program, grid_of
from tests.benchmark.native import NativeProgram
from tests.benchmark.rows_chips import ONE_BLOCK
from tests.benchmark.spent import Spent, spent


class Contender(Protocol):
    """Executes one program after the other."""

    def prepare(self, program: Program) -> None:
        """Makes what can be made before the first execution."""

    def measure(self) -> Spent:
        """Executes the program once, on the first contents of its buffers."""

    def results(self) -> Sequence[Array]:
        """The contents of the buffers with the result. Valid until the next call."""

    def close(self) -> None:
        """Ends its processes."""


class _InSharedMemory:
    """A Worker whose tensors are the buffers."""

    def __init__(self, chips: int) -> None:
        self.chips = chips
        self.rows, self.columns = grid_of(chips)
        self.worker = Worker(chips=chips, options=WorkerOptions(cores_per_chip=1)).init()
        self.tensors: list[Any] = []

    def prepare(self, program: Program) -> None:
        """Makes the tensors."""
        self.program = program
        self.tensors = [self.worker.empty(buffer.shape, "float64") for buffer in program.buffers]

    def measure(self) -> Spent:
        """As the protocol says."""
        for tensor, first in zip(self.tensors, self.program.buffers, strict=True):
            tensor.numpy()[...] = first
        return spent(self.execute, [child.pid for child in self.worker.children])

    def execute(self) -> None:
        """What is measured."""
        raise NotImplementedError

    def results(self) -> Sequence[Array]:
        """As the protocol says."""
        return [self.tensors[number].numpy() for number in self.program.results]

    def close(self) -> None:
        """Ends the children."""
        self.tensors = []
        self.worker.close()


class Submitted(_InSharedMemory):
    """Tasks that are submitted one by one, with views and arguments that are built in the loop."""

    def __init__(self, chips: int) -> None:
        super().__init__(chips)
        self.handles = {name: self.worker.register(kernel) for name, kernel in chip_callables().items()}

    def orchestrate(self, o: Any) -> None:
        """Ordinary code. Tiles are dealt out to the chips in both directions."""
        tensors, handles, rows, columns = self.tensors, self.handles, self.rows, self.columns
        for task in self.program.tasks:
            pieces = [piece.of(tensors[piece.buffer]) for piece in task.pieces]
            row, column = task.place
            chip = row % rows * columns + column % columns
            args = TaskArgs(*zip(pieces, TAGS[task.kernel], strict=True))
            o.submit_next_level(handles[task.kernel], args, ONE_BLOCK, worker=chip)

    def execute(self) -> None:
        """A run."""
        self.worker.run(self.orchestrate)


class Launched(Submitted):
    """The same tasks, captured once and launched."""

    def prepare(self, program: Program) -> None:
        """Captures."""
        super().prepare(program)
        self.graph = self.worker.capture(self.orchestrate)

    def execute(self) -> None:
        """A launch."""
        self.worker.launch(self.graph).result()


class Alone(_InSharedMemory):
    """The kernels, one after the other by a plain loop in this process, in the same kind of memory."""

    def __init__(self, _: int, library: Path) -> None:
        super().__init__(1)
        self.library = ctypes.CDLL(str(library))
        self.library.program_of.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p)]
        self.library.program_of.restype = ctypes.c_void_p
        self.library.execute.argtypes = self.library.free_program.argtypes = [ctypes.c_void_p]
        self.native: int | None = None

    def prepare(self, program: Program) -> None:
        """Makes the loop's tasks."""
        super().prepare(program)
        self.library.free_program(self.native)
        addresses = [tensor.numpy().ctypes.data for tensor in self.tensors]
        self.native = self.library.program_of(program.text().encode(), (ctypes.c_void_p * len(addresses))(*addresses))

    def execute(self) -> None:
        """The loop."""
        code = self.library.execute(self.native)
        if code:
            raise RuntimeError(f"a kernel failed with {code}")

    def close(self) -> None:
        """Frees the tasks, too."""
        self.library.free_program(self.native)
        super().close()


class OpenMP(NativeProgram):
    """The program openmp.cpp, which has its own memory."""

    def __init__(self, workers: int, program: Path) -> None:
        super().__init__(program, workers)
        self.file = program.with_suffix(".data")

    def prepare(self, program: Program) -> None:
        """Sends the program and the contents of its buffers."""
        self.program = program
        with self.file.open("wb") as file:
            for buffer in program.buffers:
                buffer.tofile(file)
        self.send(f"program {program.text()}")
        self.send(f"load {self.file}")

    def measure(self) -> Spent:
        """As the protocol says."""
        return self.spent_on("run")

    def results(self) -> Sequence[Array]:
        """As the protocol says."""
        numbers = self.program.results
        self.spent_on(f"save {self.file} {numbers.start} {numbers.stop}")
        contents = np.fromfile(self.file)
        buffers = [self.program.buffers[number] for number in numbers]
        ends = np.cumsum([buffer.size for buffer in buffers])[:-1]
        return [part.reshape(buffer.shape) for part, buffer in zip(np.split(contents, ends), buffers, strict=True)]


def by_numpy(compute: Callable[[], Array]) -> Spent:
    """What NumPy spends on its way to the same result."""
    return spent(compute, [])
