"""Random programs, and an oracle that computes the result of each by the rules of docs/explanation/execution.md.

A program is a list of steps on one array. A step reads a view, then changes others; each member of a group changes its
own view at the same time. Views are slices of the array as a vector, as a matrix or with more dimensions. The oracle
executes the steps one after the other. For every element it keeps which step wrote it last and which steps read it
since: a later step that accesses the element follows these, and is skipped if one of them failed.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from runtime import ArgDirection, CallConfig, Tag, TaskArgs, Worker
from runtime.errors import CallringError, ChipError, TaskSkipped
from runtime.toolchain import build_chip_callable

LENGTH = 24
MODULUS = 1009
CHIPS, SUB_WORKERS = 3, 3

KERNEL = """
#include <callring/chip.h>
#include <math.h>
static double *element(const callring_tensor *tensor, int64_t index) {
    double *at = (double *)tensor->data;
    for (uint32_t axis = tensor->rank; axis-- > 0;) {
        at += (index % tensor->shape[axis]) * tensor->strides[axis];
        index /= tensor->shape[axis];
    }
    return at;
}
static int64_t elements(const callring_tensor *tensor) {
    int64_t count = 1;
    for (uint32_t axis = 0; axis < tensor->rank; ++axis) { count *= tensor->shape[axis]; }
    return count;
}
CALLRING_SIGNATURE(step, CALLRING_IN, CALLRING_INOUT, CALLRING_SCALAR, CALLRING_SCALAR, CALLRING_SCALAR);
CALLRING_EXPORT int step(const callring_block *block, const callring_args *args) {
    (void)block;
    const callring_tensor *read = &args->tensors[0], *target = &args->tensors[1];
    if (args->scalars[2] != 0) { return 1; }
    double sum = (double)args->scalars[1];
    for (int64_t i = 0; i < elements(read); ++i) { sum += *element(read, i); }
    for (int64_t i = 0; i < elements(target); ++i) {
        double *x = element(target, i);
        *x = fmod(*x * (double)args->scalars[0] + sum, 1009);
    }
    return 0;
}
"""


class StepFailed(Exception):
    """The exception of a Python step that must fail."""


def step(args):
    """The Python form of the kernel."""
    read, target = args[0], args[1]
    factor, offset, fails = args.scalars
    if fails:
        raise StepFailed
    target[...] = (target * factor + offset + read.sum()) % MODULUS


@dataclass(frozen=True)
class View:
    """A part of the array reshaped to ``shape``: one slice per axis; ``transposed``: with the axes in reverse order."""

    shape: tuple[int, ...]
    slices: tuple[slice, ...]
    transposed: bool = False

    def of(self, array):
        """This part of an array or a tensor, as a view of its memory."""
        taken = array.reshape(*self.shape)[self.slices]
        return taken.T if self.transposed else taken


def part(of: slice) -> View:
    """A slice of the array as a vector."""
    return View((LENGTH,), (of,))


NOTHING = part(slice(0, 0))


@dataclass(frozen=True)
class Step:
    """One task. ``targets`` has one view, or one for each member of a group; members read and write in one call."""

    read: View
    targets: tuple[View, ...]
    factor: int
    offset: int
    on_chip: bool
    place: int = 0
    fails: int = -1
    """Index of the member that fails; -1: no member fails."""
    after: int = -1
    """Index of an earlier step that this step follows by ``after=``; -1: none."""

    def member_reads(self) -> View:
        """The view that members read; empty for a group, whose members would see each other's writes."""
        return self.read if len(self.targets) == 1 else NOTHING


@dataclass
class Outcome:
    """The result of a program: the array, and for each step "ok", "failed" or "skipped"."""

    array: np.ndarray
    states: list[str] = field(default_factory=list)
    follows: list[set[int]] = field(default_factory=list)


def apply(array, where: Step, members=None):
    """Executes the members of a step (all but those that fail) on a plain array."""
    for index, target in enumerate(where.targets):
        if index != where.fails and (members is None or index in members):
            total = where.member_reads().of(array).sum()
            written = target.of(array)
            written[...] = (written * where.factor + where.offset + total) % MODULUS


def oracle(program: list[Step]) -> Outcome:
    """The result of the program, executed in submission order."""
    outcome = Outcome(np.zeros(LENGTH))
    writer, readers = [-1] * LENGTH, [set() for _ in range(LENGTH)]
    everything = np.arange(LENGTH)
    for index, it in enumerate(program):
        follows = {it.after} if 0 <= it.after < index else set()
        reads = it.member_reads().of(everything).ravel()
        writes = np.concatenate([target.of(everything).ravel() for target in it.targets])
        for element in (*reads, *writes):
            follows.add(writer[element])
        for element in writes:
            follows |= readers[element]
        for element in reads:
            readers[element].add(index)
        for element in writes:
            writer[element], readers[element] = index, set()
        follows -= {-1, index}
        outcome.follows.append(follows)
        if any(outcome.states[earlier] != "ok" for earlier in follows):
            outcome.states.append("skipped")
            continue
        apply(outcome.array, it)
        outcome.states.append("failed" if it.fails >= 0 else "ok")
    return outcome


class Machine:
    """A Worker with the step as a kernel and as a Python callable."""

    def __init__(self, worker: Worker, folder: Path) -> None:
        source = folder / "step.c"
        source.write_text(KERNEL)
        directions = [ArgDirection.IN, ArgDirection.INOUT, *[ArgDirection.SCALAR] * 3]
        self.worker = worker
        self._kernel = worker.register(
            build_chip_callable(source, signature=directions, platform="a2a3sim", entry="step")
        )
        self._function = worker.register(step)

    def begin(self, program: list[Step], cancel_after: int = -1):
        """Submits the program as a new run. Returns the run, its tasks and its array."""
        shared = self.worker.zeros(LENGTH, "float64")
        tasks = []

        def orchestrate(o):
            for index, it in enumerate(program):
                tasks.append(self._submit(o, it, shared, tasks))
                if index == cancel_after:
                    self.worker._session.engine.cancel(o._run)

        return self.worker.submit(orchestrate), tasks, shared

    def _submit(self, o, it: Step, shared, tasks):
        read = it.member_reads().of(shared)
        args = [
            TaskArgs(
                (read, Tag.INPUT), (target.of(shared), Tag.INOUT), scalars=[it.factor, it.offset, int(i == it.fails)]
            )
            for i, target in enumerate(it.targets)
        ]
        after = [tasks[it.after]] if 0 <= it.after < len(tasks) else []
        one = CallConfig(block_count=1)
        if not it.on_chip:
            if len(args) > 1:
                return o.submit_sub_group(self._function, args, after=after)
            return o.submit_sub(self._function, args[0], after=after)
        if len(args) > 1:
            chips = [(it.place + i) % CHIPS for i in range(len(args))]
            return o.submit_next_level_group(self._kernel, args, one, workers=chips, after=after)
        return o.submit_next_level(self._kernel, args[0], one, worker=it.place % CHIPS, after=after)

    def check(self, program: list[Step]) -> None:
        """Runs the program and compares it with the oracle."""
        run, tasks, shared = self.begin(program)
        compare(program, run, tasks, shared)

    def check_together(self, programs: list[list[Step]]) -> None:
        """Runs several programs at the same time, each submitted by its own thread."""
        begun = [None] * len(programs)

        def submit(index):
            begun[index] = self.begin(programs[index])

        threads = [threading.Thread(target=submit, args=(index,)) for index in range(len(programs))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for program, (run, tasks, shared) in zip(programs, begun, strict=True):
            compare(program, run, tasks, shared)

    def check_launched(self, program: list[Step]) -> None:
        """Captures the program, and launches it on its own array and on two others."""
        recorded, *others = (self.worker.zeros(LENGTH, "float64") for _ in range(3))
        tasks: list = []

        def record(o):
            for it in program:
                tasks.append(self._submit(o, it, recorded, tasks))

        graph = self.worker.capture(record)
        runs = [self.worker.launch(graph, tensors={recorded: other}) for other in (recorded, *others)]
        expected = oracle(program)
        for run, array in zip(runs, (recorded, *others), strict=True):
            assert run.wait(60), "the launch did not end"
            np.testing.assert_array_equal(array.numpy(), expected.array)
            assert len(run.errors) == sum(state != "ok" for state in expected.states)

    def check_cancelled(self, program: list[Step], cancel_after: int) -> None:
        """Cancels the run while it is submitted: every executed step follows only executed steps."""
        run, tasks, shared = self.begin(program, cancel_after)
        assert run.wait(60)
        states = [state_of(task) for task in tasks]
        expected, model = np.zeros(LENGTH), oracle(program)
        for index, it in enumerate(program):
            if states[index] in ("ok", "failed"):
                assert all(states[earlier] == "ok" for earlier in model.follows[index]), (index, states)
                apply(expected, it)
        np.testing.assert_array_equal(shared.numpy(), expected)


def compare(program, run, tasks, shared):
    """Compares a run's array, states and errors with the oracle's."""
    assert run.wait(60), "the run did not end"
    expected = oracle(program)
    assert [state_of(task) for task in tasks] == expected.states
    np.testing.assert_array_equal(shared.numpy(), expected.array)
    assert len(run.errors) == sum(state != "ok" for state in expected.states)


def state_of(task) -> str:
    """How an ended task ended."""
    error = task.exception(60)
    if error is None:
        return "ok"
    if isinstance(error, TaskSkipped):
        return "skipped"
    if isinstance(error, StepFailed | ChipError):
        return "failed"
    assert isinstance(error, CallringError), error
    assert "cancelled" in str(error), error
    return "cancelled"


# ---- making programs -------------------------------------------------------------------------------------------------


def random_slice(source: random.Random, extent: int) -> slice:
    """A slice with at least one element; strided and reversed ones, too."""
    stride = source.choice((1, 1, 1, 2, 3, 5))
    start, count = source.randrange(extent), source.randint(1, 8)
    last = min(extent - 1, start + (count - 1) * stride)
    last -= (last - start) % stride
    if source.random() < 0.25:
        return slice(last, start - 1 if start else None, -stride)
    return slice(start, last + 1, stride)


SHAPES = ((LENGTH,), (4, 6), (6, 4), (3, 8), (2, 3, 4), (2, 2, 3, 2))


def random_view(source: random.Random) -> View:
    """A view with at least one element, of up to four dimensions."""
    shape = source.choice(SHAPES)
    return View(shape, tuple(random_slice(source, extent) for extent in shape), source.random() < 0.25)


def random_targets(source: random.Random, members: int) -> tuple[View, ...]:
    """A view for each member of a group to write: interleaved, side by side, or columns of a matrix; no two overlap."""
    size = LENGTH // members
    way = source.randrange(3)
    if way == 0:
        return tuple(part(slice(i, LENGTH, members)) for i in range(members))
    if way == 1:
        return tuple(part(slice(i * size, (i + 1) * size)) for i in range(members))
    width = 6 // members
    return tuple(View((4, 6), (slice(None), slice(i * width, (i + 1) * width))) for i in range(members))


def random_step(source: random.Random, index: int, failures: float) -> Step:
    """The step at position ``index`` of a program."""
    members = source.choice((1, 1, 1, 2, 3))
    return Step(
        read=random_view(source) if source.random() < 0.7 else NOTHING,
        targets=random_targets(source, members) if members > 1 else (random_view(source),),
        factor=source.randrange(4),
        offset=source.randrange(9),
        on_chip=source.random() < 0.5,
        place=source.randrange(CHIPS),
        fails=source.randrange(members) if source.random() < failures else -1,
        after=source.randrange(index) if index and source.random() < 0.2 else -1,
    )


def random_program(source: random.Random, longest: int = 12, failures: float = 0.05) -> list[Step]:
    """A program of up to ``longest`` steps; ``failures`` is the share of steps that fail."""
    return [random_step(source, index, failures) for index in range(source.randint(1, longest))]
