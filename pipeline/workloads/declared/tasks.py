"""The tasks of a declared workload: loops, unfolded into one entry for each task that will be submitted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.config.keys import checked
from pipeline.config.suggest import near
from pipeline.config.workload_schema import TAGS, TaskConfig
from pipeline.workloads.base import FOR_NODES, FOR_SUB_WORKERS
from pipeline.workloads.declared.expressions import Expression, Piece, parse_expression, parse_piece
from pipeline.workloads.declared.mapping import named, sequence
from pipeline.workloads.declared.tensors import DeclaredTensor
from runtime.errors import ConfigurationError
from runtime.identity import ArgDirection

_SCALAR = "scalar"
_SUB = "sub"
_TAGS_OF = {
    ArgDirection.IN: ("in",),
    ArgDirection.OUT: ("out", "out_existing", "inout"),
    ArgDirection.INOUT: ("inout",),
}
"""Tags that fit a direction of a signature."""
_LARGEST = 1_000_000


@dataclass(frozen=True, slots=True)
class Argument:
    """A tensor, or a piece of one, with its tag."""

    tensor: str
    index: tuple[int | slice, ...]
    tag: str


@dataclass(frozen=True, slots=True)
class DeclaredTask:
    """One task to submit."""

    callable: str
    worker: int | None
    """The chip, or the node; None: any sub-worker."""
    arguments: tuple[Argument, ...]
    scalars: tuple[float, ...]
    blocks: int


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The names that tasks may refer to, and the workers of the topology."""

    chips: tuple[int, ...]
    nodes: tuple[int, ...]
    """Instead of chips, from level 4 on."""
    sub_workers: int
    sizes: Mapping[str, float]
    tensors: Mapping[str, DeclaredTensor]
    chip_callables: Mapping[str, tuple[int, ...]]
    """Signatures by name."""
    python_callables: tuple[str, ...]


def declare_tasks(config: object, key: str, around: Surroundings) -> list[DeclaredTask]:
    """Unfolds the loops, in the order in which the tasks will be submitted.

    Args:
        config: a list of tasks, and of loops that hold lists of tasks.
        key: key of the config, for messages.
        around: the names that they may refer to.

    Raises:
        ConfigurationError: names the key, the value and what is allowed.
    """
    names = [*around.sizes]
    entries = _entries(config, key, around, names)
    tasks: list[DeclaredTask] = []
    for entry in entries:
        for task in entry.unfold(around, dict(around.sizes)):
            if len(tasks) == _LARGEST:
                raise ConfigurationError(f"{key}: more than {_LARGEST} tasks; give an orchestration function instead")
            tasks.append(task)
    if not tasks:
        raise ConfigurationError(f"{key}: this list yields no task")
    return tasks


@dataclass(frozen=True, slots=True)
class _Loop:
    """``name: count`` or ``name: [values]``."""

    name: str
    count: Expression | None
    listed: tuple[int, ...]

    def values(self, outer: Mapping[str, float]) -> Iterator[int]:
        yield from self.listed if self.count is None else range(self.count.integer(outer))


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of a list of tasks: loops around a task, or around further entries."""

    loops: tuple[_Loop, ...]
    task: _Template | None
    entries: tuple[_Entry, ...]

    def unfold(self, around: Surroundings, values: dict[str, float], depth: int = 0) -> Iterator[DeclaredTask]:
        if depth < len(self.loops):
            loop = self.loops[depth]
            for value in loop.values(values):
                yield from self.unfold(around, {**values, loop.name: value}, depth + 1)
            return
        if self.task is not None:
            task = self.task.at(around, values)
            if task is not None:
                yield task
        for entry in self.entries:
            yield from entry.unfold(around, values)


@dataclass(frozen=True, slots=True)
class _Template:
    """A task before the variables of its loops have values."""

    callable: str
    where: Expression | None
    tensors: tuple[tuple[str, Piece], ...]
    scalars: tuple[Expression, ...]
    blocks: Expression

    def at(self, around: Surroundings, values: Mapping[str, float]) -> DeclaredTask | None:
        """The task for these values; None if a part of a tensor is empty."""
        arguments = []
        for tag, piece in self.tensors:
            index = piece.index(around.tensors[piece.tensor].shape, values)
            if index is None:
                return None
            arguments.append(Argument(piece.tensor, index, tag))
        worker = None if self.where is None else self.where.integer(values)
        there = around.nodes or around.chips
        if self.where is not None and worker not in there:
            kind, known = "node" if around.nodes else "chip", f"0 to {len(there) - 1}"
            raise ConfigurationError(
                f"{self.where.key}={self.where.text!r}: no {kind} {worker}; this topology has {known}"
            )
        blocks = self.blocks.integer(values)
        if not 0 <= blocks < 1 << 32:
            raise ConfigurationError(f"{self.blocks.key}={self.blocks.text!r}: {blocks}; 0 to 4294967295")
        scalars = tuple(scalar.number(values) for scalar in self.scalars)
        return DeclaredTask(self.callable, worker, tuple(arguments), scalars, blocks)


def _entries(config: object, key: str, around: Surroundings, names: list[str]) -> tuple[_Entry, ...]:
    given = sequence(config, key, "tasks")
    return tuple(_entry(entry, f"{key}[{i}]", around, names) for i, entry in enumerate(given))


def _entry(config: object, key: str, around: Surroundings, names: list[str]) -> _Entry:
    given = checked(TaskConfig, config, key)
    loops = []
    for name, count in named(given.get("for", {}), f"{key}.for", "numbers").items():
        if name in names:
            raise ConfigurationError(f"{key}.for.{name}: already the name of a size or of a loop around it")
        loops.append(_loop(name, count, f"{key}.for.{name}", names))
        names = [*names, name]
    if "tasks" in given:
        other = [name for name in given if name not in ("for", "tasks")]
        if other:
            raise ConfigurationError(f"{key}.{other[0]}: not allowed beside tasks; give it to one of those tasks")
        return _Entry(tuple(loops), None, _entries(given["tasks"], f"{key}.tasks", around, names))
    return _Entry(tuple(loops), _template(given, key, around, names), ())


def _loop(name: str, count: object, key: str, names: list[str]) -> _Loop:
    if isinstance(count, list):
        if any(not isinstance(value, int) or isinstance(value, bool) for value in count):
            raise ConfigurationError(f"{key}={count!r}: a number of rounds, or a list of integers")
        return _Loop(name, None, tuple(count))
    return _Loop(name, parse_expression(count, key, names), ())


def _template(given: Mapping[str, Any], key: str, around: Surroundings, names: list[str]) -> _Template:
    name = given.get("callable")
    known = [*around.chip_callables, *around.python_callables]
    if name not in known:
        hint = near(str(name), known) or f"; the workload has {', '.join(known) or 'none'}"
        raise ConfigurationError(f"{key}.callable={name!r}: no such callable{hint}")
    tensors, scalars = _arguments(given.get("args", []), f"{key}.args", around, names)
    if name in around.chip_callables:
        _require_signature(name, around.chip_callables[name], tensors, scalars, f"{key}.args")
    blocks = parse_expression(given.get("blocks", 0), f"{key}.blocks", names)
    return _Template(str(name), _where(given, key, str(name), around, names), tensors, scalars, blocks)


def _where(
    given: Mapping[str, Any], key: str, callable_: str, around: Surroundings, names: list[str]
) -> Expression | None:
    """The chip or the node as an expression, or None for a sub-worker."""
    on_chip = callable_ in around.chip_callables
    if around.nodes:
        return _where_of_nodes(given, key, callable_, around, names)
    if on_chip and not around.chips:
        raise ConfigurationError(
            f"{key}.callable={callable_!r}: a chip callable, and this topology has no chips; choose another, for "
            f"instance +topology=chip1, or {FOR_SUB_WORKERS}"
        )
    where = given.get("where", "chip" if on_chip and "chip" in names else None if on_chip else _SUB)
    if where is None:
        raise ConfigurationError(
            f"{key}.where: missing; give a chip's number, or loop over chips: for: {{chip: chips}}"
        )
    if where == _SUB:
        if on_chip:
            raise ConfigurationError(f"{key}.where={where!r}: {callable_} is a chip callable; give a chip's number")
        if not around.sub_workers:
            other = "node" if around.chip_callables else "subs"
            raise ConfigurationError(
                f"{key}.callable={callable_!r}: a Python callable, and this topology has no sub-workers; "
                f"choose another, for instance +topology={other}"
            )
        return None
    if not on_chip:
        raise ConfigurationError(f"{key}.where={where!r}: {callable_} is a Python callable; it runs on {_SUB!r}")
    return parse_expression(where, f"{key}.where", names)


def _where_of_nodes(
    given: Mapping[str, Any], key: str, callable_: str, around: Surroundings, names: list[str]
) -> Expression | None:
    """The node as an expression, or None for a sub-worker beside the nodes."""
    if callable_ in around.chip_callables:
        raise ConfigurationError(
            f"{key}.callable={callable_!r}: a chip callable, and this topology has nodes, which run Python callables; "
            f"submit it in one of those, to the node's own chips, or choose {FOR_NODES}"
        )
    where = given.get("where", "node" if "node" in names else _SUB if around.sub_workers else None)
    if where is None or (where == _SUB and not around.sub_workers):
        found = "missing" if where is None else "this topology has no sub-workers beside its nodes"
        raise ConfigurationError(
            f"{key}.where: {found}; give a node's number, or loop over nodes: for: {{node: nodes}}; "
            f"or choose {FOR_NODES}"
        )
    return None if where == _SUB else parse_expression(where, f"{key}.where", names)


def _arguments(
    config: Sequence[Any], key: str, around: Surroundings, names: list[str]
) -> tuple[tuple[tuple[str, Piece], ...], tuple[Expression, ...]]:
    tensors: list[tuple[str, Piece]] = []
    scalars: list[Expression] = []
    for i, argument in enumerate(config):
        if not isinstance(argument, Mapping) or len(argument) != 1:
            raise ConfigurationError(f"{key}[{i}]={argument!r}: a mapping of one of {', '.join(TAGS)}, scalar")
        ((tag, what),) = argument.items()
        if tag == _SCALAR:
            scalars.append(parse_expression(what, f"{key}[{i}].scalar", names))
        elif tag not in TAGS:
            raise ConfigurationError(f"{key}[{i}].{tag}: no such tag; one of {', '.join(TAGS)}, {_SCALAR}")
        else:
            tensors.append((tag, parse_piece(what, f"{key}[{i}].{tag}", around.tensors, names)))
    return tuple(tensors), tuple(scalars)


def _require_signature(
    name: str,
    signature: tuple[int, ...],
    tensors: tuple[tuple[str, Piece], ...],
    scalars: tuple[Expression, ...],
    key: str,
) -> None:
    """Refuses other numbers of tensors and scalars than the callable takes, and tags that contradict its signature."""
    directions = [ArgDirection(direction) for direction in signature]
    wanted = [direction for direction in directions if direction is not ArgDirection.SCALAR]
    said = ", ".join(direction.name.lower() for direction in directions)
    if len(wanted) != len(tensors) or len(directions) - len(wanted) != len(scalars):
        raise ConfigurationError(
            f"{key}: {len(tensors)} tensors and {len(scalars)} scalars; {name} has the signature [{said}]"
        )
    for i, (direction, (tag, _)) in enumerate(zip(wanted, tensors, strict=True)):
        if tag != "no_dep" and tag not in _TAGS_OF[direction]:
            allowed = " or ".join(_TAGS_OF[direction])
            raise ConfigurationError(f"{key}: tensor {i} is tagged {tag}, must be {allowed}; {name} takes [{said}]")
