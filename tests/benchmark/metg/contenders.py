"""What executes the graphs: Callring in its three ways, native peers as programs, and pools of processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from runtime import Tag, TaskArgs, Tensor, Worker, WorkerOptions
from tests.benchmark.contenders import Pooled
from tests.benchmark.metg.patterns import Graph
from tests.benchmark.metg.work import chip_task, loaded, python_task
from tests.benchmark.native import NativeProgram
from tests.benchmark.rows_chips import ONE_BLOCK
from tests.benchmark.spent import Spent, spent
from tests.process_tree import descendants


class Contender(Protocol):
    """Executes one graph after the other."""

    fewer_steps: int
    """How many times fewer steps its graphs have than those of others, because its tasks take so much longer."""

    def prepare(self, graph: Graph) -> None:
        """Makes what can be made before the first execution."""

    def measure(self, iterations: int, repeats: int) -> Spent:
        """Executes the graph so many times, one after the other, with tasks of so many iterations.

        Raises:
            RuntimeError: a task was executed before its inputs.
        """

    def close(self) -> None:
        """Ends its processes."""


class Callring:
    """A Worker, and a tensor of one number for each task of the graph."""

    fewer_steps = 1

    def __init__(self, workers: int, **children: int) -> None:
        self.workers = workers
        self.worker = Worker(**children, options=WorkerOptions(cores_per_chip=1)).init()
        self.handles: dict[int, Any] = {}
        self.tasks: list[tuple[Any, int, list[Tensor], Tensor]] = []

    def handle(self, inputs: int) -> Any:
        """The callable of a task with so many inputs."""
        if inputs not in self.handles:
            self.handles[inputs] = self.worker.register(chip_task(inputs))
        return self.handles[inputs]

    def prepare(self, graph: Graph) -> None:
        """Gives every task a tensor, and every chip a block of neighbouring columns."""
        self.depths = graph.depths()
        outputs = [self.worker.zeros(1, "uint64") for _ in range(len(graph))]
        self.tasks = [
            (self.handle(len(inputs)), column * self.workers // graph.width, [outputs[i] for i in inputs], output)
            for column, inputs, output in zip(graph.columns, graph.inputs, outputs, strict=True)
        ]

    def measure(self, iterations: int, repeats: int) -> Spent:
        """As the protocol says."""
        for *_, output in self.tasks:
            output.numpy()[0] = 0
        work = self.work(iterations, repeats)
        taken = spent(work, [child.pid for child in self.worker.children])
        if [int(output.numpy()[0]) for *_, output in self.tasks] != self.depths:
            raise RuntimeError("a task was executed before its inputs")
        return taken

    def work(self, iterations: int, repeats: int) -> Callable[[], None]:
        """What is measured."""
        raise NotImplementedError

    def close(self) -> None:
        """Ends the children."""
        self.tasks = []
        self.worker.close()


class Submitted(Callring):
    """Chip tasks that are submitted one by one, with arguments that are built in the loop."""

    def __init__(self, workers: int) -> None:
        super().__init__(workers, chips=workers)

    def orchestration(self, iterations: int) -> Callable[[Any], None]:
        """Ordinary code."""
        read, write = Tag.INPUT, Tag.OUTPUT

        def orchestrate(o: Any) -> None:
            for handle, chip, inputs, output in self.tasks:
                args = TaskArgs(*[(tensor, read) for tensor in inputs], (output, write), scalars=[iterations])
                o.submit_next_level(handle, args, ONE_BLOCK, worker=chip)

        return orchestrate

    def work(self, iterations: int, repeats: int) -> Callable[[], None]:
        """Runs."""
        orchestrate = self.orchestration(iterations)

        def work() -> None:
            for _ in range(repeats):
                self.worker.run(orchestrate)

        return work


class Launched(Submitted):
    """The same tasks, captured once for every number of iterations and launched."""

    def work(self, iterations: int, repeats: int) -> Callable[[], None]:
        """Launches."""
        graph = self.worker.capture(self.orchestration(iterations))

        def work() -> None:
            for _ in range(repeats):
                self.worker.launch(graph).result()

        return work


class SubWorkers(Callring):
    """Python tasks that are submitted one by one, with arguments that are built in the loop."""

    def __init__(self, workers: int, library: str) -> None:
        super().__init__(workers, sub_workers=workers)

        def task(args: Any) -> None:
            *inputs, output = args
            loaded(library)(args.scalars[0])
            output[0] = 1 + max((tensor[0] for tensor in inputs), default=0)

        self.task = self.worker.register(task)

    def handle(self, inputs: int) -> Any:
        """One function takes any number of inputs."""
        return self.task

    def work(self, iterations: int, repeats: int) -> Callable[[], None]:
        """Runs."""
        read, write = Tag.INPUT, Tag.OUTPUT

        def orchestrate(o: Any) -> None:
            for handle, _, inputs, output in self.tasks:
                args = TaskArgs(*[(tensor, read) for tensor in inputs], (output, write), scalars=[iterations])
                o.submit_sub(handle, args)

        def work() -> None:
            for _ in range(repeats):
                self.worker.run(orchestrate)

        return work


class Native(NativeProgram):
    """A program that peer.h describes."""

    fewer_steps = 1

    def __init__(self, workers: int, program: Path) -> None:
        super().__init__(program, workers)

    def prepare(self, graph: Graph) -> None:
        """Sends the graph."""
        lines = [f"graph {len(graph)}", *(" ".join(map(str, (len(inputs), *inputs))) for inputs in graph.inputs)]
        self.send("\n".join(lines))

    def measure(self, iterations: int, repeats: int) -> Spent:
        """As the protocol says."""
        return self.spent_on(f"run {iterations} {repeats}")


class FromPool:
    """A pool of processes: calls that take the results of others."""

    def __init__(self, pool: Callable[[int], Pooled], workers: int, library: str) -> None:
        self.others = descendants()
        self.pool, self.library = pool(workers), library
        self.fewer_steps = 4 * self.pool.slowness

    def prepare(self, graph: Graph) -> None:
        """Remembers the graph."""
        self.graph, self.depths = graph, graph.depths()

    def measure(self, iterations: int, repeats: int) -> Spent:
        """As the protocol says."""
        results: list[int] = []

        def work() -> None:
            for _ in range(repeats):
                futures: list[Any] = []
                for inputs in self.graph.inputs:
                    needed = [futures[i] for i in inputs]
                    futures.append(self.pool.follow(needed, python_task, self.library, iterations))
                results[:] = [self.pool.result(future) for future in futures]

        taken = spent(work, descendants() - self.others)
        if results != self.depths:
            raise RuntimeError("a task was executed before its inputs")
        return taken

    def close(self) -> None:
        """Ends the pool."""
        self.pool.close()
