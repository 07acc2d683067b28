"""The cost of one task in ordinary code: ``python -m tests.benchmark.cliffs [NAME ...]``, in microseconds of CPU time.

Each figure is the least of several rounds, measured in the submitting thread's own CPU time, so that a busy machine
hardly affects it. Compare only figures of one process.
"""

from __future__ import annotations

import gc
import sys
import time
from typing import TYPE_CHECKING, Any

from runtime import Tag, TaskArgs, Worker
from tests.benchmark.contenders import noop

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 9


def best_us(count: int, work: Callable[[int], object]) -> float:
    """Microseconds of this thread's CPU time for one of ``count`` parts of ``work(count)``: the least of ROUNDS."""
    least = float("inf")
    gc.collect()
    gc.disable()
    try:
        for _ in range(ROUNDS):
            begin = time.thread_time_ns()
            work(count)
            least = min(least, time.thread_time_ns() - begin)
    finally:
        gc.enable()
    return least / count / 1e3


class Bench:
    """A Worker with two sub-workers, and the measurements on it."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.handle = worker.register(noop)

    def submitted_us(self, args_of: Callable[[int], TaskArgs], count: int = 450) -> float:
        """Microseconds of a submit whose arguments exist already."""
        all_args = [args_of(i) for i in range(count)]

        def submit(_: int) -> None:
            def orchestrate(o: Any) -> None:
                for args in all_args:
                    o.submit_sub(self.handle, args)

            self.worker.run(orchestrate)

        return best_us(count, submit)

    def tiles(self) -> dict[str, float]:
        """A submit with one of 225 tiles of a matrix, compared with one of 225 separate buffers of the same size."""
        figures = {}
        buffers = [self.worker.empty((64, 64), "float32") for _ in range(225)]
        figures["submit with one buffer"] = self.submitted_us(lambda i: TaskArgs((buffers[i % 225], Tag.INOUT)))
        for side in (8, 64, 65, 128):
            matrix = self.worker.empty((15 * side, 15 * side), "float32")
            views = [matrix[r * side : (r + 1) * side, c * side : (c + 1) * side] for r in range(15) for c in range(15)]
            tile = self.submitted_us(lambda i, views=views: TaskArgs((views[i % 225], Tag.INOUT)))
            figures[f"submit with one tile of {side} rows"] = tile
        for name, whole in (("Tensor", matrix), ("NumPy array", matrix.numpy())):

            def cut(count: int, whole: Any = whole) -> None:
                for _ in range(count):
                    whole[64:128, 64:128]

            figures[f"a tile of a {name}"] = best_us(2000, cut)
        return figures

    def arguments(self) -> dict[str, float]:
        """The cost of building arguments in the loop that submits, and of submitting them."""
        figures = {}
        for count in (0, 1, 3, 64):
            pairs = [(self.worker.empty(16, "float32"), Tag.INPUT) for _ in range(count)]

            def build(times: int, pairs: list[Any] = pairs) -> None:
                for _ in range(times):
                    TaskArgs(*pairs)

            figures[f"TaskArgs of {count} tensors"] = best_us(2000, build)
            figures[f"submit with {count} tensors"] = self.submitted_us(lambda _, pairs=pairs: TaskArgs(*pairs))
        a, b, c = (self.worker.empty(16, "float32") for _ in range(3))
        read, write = Tag.INPUT, Tag.OUTPUT

        def three(times: int) -> None:
            for _ in range(times):
                TaskArgs((a, read), (b, read), (c, write), scalars=[1, 2.0])

        many: list[TaskArgs | None] = [TaskArgs((a, read), (b, read), (c, Tag.NO_DEP)) for _ in range(2000)]
        for what, args_list in (("without arguments", [None] * 2000), ("with 3 tensors", many)):

            def submit(count: int, args_list: Any = args_list) -> None:
                self.worker.run(lambda o: o.submit_many(self.handle, args_list[:count]) and None)

            def call_us(o: Any, args_list: Any = args_list) -> float:
                return best_us(2000, lambda count: o.submit_many(self.handle, args_list[:count]))

            figures[f"submit_many, a task {what}"] = best_us(2000, submit)
            figures[f"its call alone, a task {what}"] = self.worker.run(call_us)
        figures["TaskArgs of 3 tensors and 2 scalars"] = best_us(2000, three)
        return figures

    def predecessors(self) -> dict[str, float]:
        """One task that follows many, captured and submitted."""
        figures = {}
        took: list[float] = []

        def orchestrate(o: Any, count: int) -> None:
            tasks = [o.submit_sub(self.handle) for _ in range(count)]
            begin = time.thread_time_ns()
            o.submit_sub(self.handle, after=tasks)
            took.append((time.thread_time_ns() - begin) / 1e3)

        for count in (1000, 10_000, 50_000):
            for way, call in (("captured", self.worker.capture), ("submitted", self.worker.run)):
                took.clear()
                for _ in range(3):
                    call(lambda o, count=count: orchestrate(o, count))
                figures[f"{way} behind {count} tasks"] = min(took)
        return figures

    def capture(self) -> dict[str, float]:
        """A recorded task beside a submitted one."""
        args = TaskArgs((self.worker.empty(16, "float32"), Tag.INPUT))

        def orchestrate(o: Any, count: int) -> None:
            for _ in range(count):
                o.submit_sub(self.handle, args)

        return {
            "captured task": best_us(2000, lambda count: self.worker.capture(lambda o: orchestrate(o, count))),
            "submitted task": best_us(2000, lambda count: self.worker.run(lambda o: orchestrate(o, count))),
        }

    def launches(self) -> dict[str, float]:
        """A task of a launch, with tensors and scalars replaced."""
        count = 256
        recorded = [self.worker.empty(16, "float32") for _ in range(count)]
        others = [self.worker.empty(16, "float32") for _ in range(count)]

        def record(o: Any) -> None:
            factor = o.scalar("factor", 1)
            for tensor in recorded:
                o.submit_sub(self.handle, TaskArgs((tensor, Tag.INOUT), scalars=[factor]))

        graph = self.worker.capture(record)

        def launched(**replaced: Any) -> float:
            def launch(_: int) -> None:
                for _ in range(4):
                    self.worker.launch(graph, **replaced).result()

            return best_us(4 * count, launch)

        figures = {"launched task": launched()}
        for replaced in (1, 8, 64, 256):
            mapping = dict(list(zip(recorded, others, strict=True))[:replaced])
            figures[f"launched task, {replaced} tensors replaced"] = launched(tensors=mapping)
        figures["launched task, its scalar replaced"] = launched(scalars={"factor": 2})
        return figures

    def small_run(self) -> dict[str, float]:
        """A run of one task, submitted and awaited, without the time of its children."""

        def orchestrate(o: Any) -> None:
            o.submit_sub(self.handle)

        def run(count: int) -> None:
            for _ in range(count):
                self.worker.run(orchestrate)

        return {"run of one task": best_us(200, run)}


def main(names: list[str]) -> None:
    """Prints the figures of all kinds of work, or of the named ones."""
    kinds = [name for name, value in vars(Bench).items() if callable(value) and not name.endswith(("_", "_us"))]
    with Worker(level=3, chips=0, sub_workers=2) as worker:
        bench = Bench(worker)
        for name in names or kinds:
            for what, figure in getattr(bench, name)().items():
                print(f"{what:45} {figure:10.2f} us", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
