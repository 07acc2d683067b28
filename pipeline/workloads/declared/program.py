"""The program of a declared workload: makes its tensors, submits its tasks, compares the result."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.config.targets import Lookup, NotImported
from pipeline.config.topology import Level
from pipeline.workloads.base import Verification, Workload
from pipeline.workloads.declared.expected import Expected, declare_expected
from pipeline.workloads.declared.expressions import NODES, parse_expression
from pipeline.workloads.declared.mapping import named
from pipeline.workloads.declared.tasks import DeclaredTask, Surroundings, declare_tasks
from pipeline.workloads.declared.tensors import declare_tensors
from runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from pipeline.config.specs import ChipSpec, PythonSpec
    from runtime import CallableHandle, Orchestrator, TaskArgs, Tensor, Worker

_TAG_NAMES = {"in": "INPUT", "out": "OUTPUT", "inout": "INOUT", "out_existing": "OUTPUT_EXISTING", "no_dep": "NO_DEP"}
_READS_ONLY = "in"


@dataclass(frozen=True, slots=True)
class Context:
    """The context of an orchestration function, beside tensors and handles."""

    chips: tuple[int, ...]
    """Ids of the chips; empty on a topology of nodes, which has its chips below the nodes."""
    nodes: tuple[int, ...]
    """Ids of the nodes; empty below level 4."""
    sub_workers: int
    sizes: Mapping[str, float]
    """The workload's sizes by name."""


class Declared(Workload[None]):
    """A workload that a config declares.

    Args:
        config: the keys of DeclaredWorkloadConfig, without those of every workload.
        tree: the Worker that it runs on.
        chip_specs: the workload's chip callables.
        python_specs: its Python callables.
        lookup: the places of files and Python targets.

    Raises:
        ConfigurationError: names the key, the value and what is allowed.
    """

    chip_callables = ()
    """None is required: a task names its callable, and is refused if the workload does not have it."""

    def __init__(
        self,
        config: Mapping[str, Any],
        tree: Level,
        chip_specs: Sequence[ChipSpec],
        python_specs: Sequence[PythonSpec],
        lookup: Lookup,
    ) -> None:
        self.chips = tuple(range(tree.chips))
        self.nodes = tuple(range(len(tree.children)))
        self.sub_workers = tree.sub_workers
        own: dict[str, float] = {"chips": tree.total_chips, "sub_workers": tree.sub_workers}
        if self.nodes:
            own[NODES] = len(self.nodes)
        self._sizes = _sizes(config.get("sizes") or {}, own)
        self._declared = declare_tensors(config.get("tensors") or {}, "workload.tensors", self._sizes, lookup.folders)
        self._tasks: list[DeclaredTask] = []
        self._orchestration: Callable[..., object] | None = None
        if ("tasks" in config) == ("orchestration" in config):
            both = "not both" if "tasks" in config else "one of the two"
            raise ConfigurationError(f"workload: give tasks or orchestration (module:function), {both}")
        if "tasks" in config:
            signatures = {spec.name: spec.signature for spec in chip_specs}
            names = tuple(spec.name for spec in python_specs)
            around = Surroundings(
                self.chips, self.nodes, self.sub_workers, self._sizes, self._declared, signatures, names
            )
            self._tasks = declare_tasks(config["tasks"], "workload.tasks", around)
        else:
            function = _orchestration(str(config["orchestration"]), lookup)
            if isinstance(function, NotImported):
                self.not_imported = function.target
            else:
                self._orchestration = function
        verify = config.get("verify")
        self._expected: Expected | None = None
        if verify is not None:
            self._expected = declare_expected(verify, "workload.verify", self._declared, lookup)
        self._refilled = self._to_refill()

    @property
    def _context(self) -> Context:
        return Context(self.chips, self.nodes, self.sub_workers, self._sizes)

    def _to_refill(self) -> list[str]:
        """Tensors that a run may change: each repetition must find their declared contents.

        Tensors that are only written are among them: an element that a run fails to write must not keep the correct
        value of the previous run.
        """
        if self._orchestration is not None:
            return list(self._declared)
        return sorted({a.tensor for task in self._tasks for a in task.arguments if a.tag != _READS_ONLY})

    def prepare(self, worker: Worker) -> None:
        """Shares every tensor with its first content."""
        self._tensors: dict[str, Tensor] = {
            name: worker.share(tensor.content()) for name, tensor in self._declared.items()
        }

    def reset(self) -> None:
        """Restores the first contents of the tensors that a run may change."""
        for name in self._refilled:
            self._declared[name].fill_into(self._tensors[name].numpy())

    def orchestrate(self, o: Orchestrator, handles: Mapping[str, CallableHandle]) -> None:
        """Submits the tasks, or calls the orchestration function with (o, tensors, handles, context)."""
        if self._orchestration is not None:
            self._orchestration(o, self._tensors, handles, self._context)
            return
        for task in self._tasks:
            _submit(task, o, self._tensors, handles)

    def verify(self) -> Verification:
        """Compares as ``verify`` declares; without ``verify``, the message is that nothing was compared."""
        if self._expected is None:
            return Verification(None, {}, "nothing was compared: the workload declares no verify")
        actual = {name: tensor.numpy() for name, tensor in self._tensors.items()}
        return self._expected.verify(self._declared, self._sizes, actual)


def _submit(
    task: DeclaredTask, o: Orchestrator, tensors: Mapping[str, Tensor], handles: Mapping[str, CallableHandle]
) -> None:
    from runtime import CallConfig

    args = _args(task, tensors)
    config = CallConfig(block_count=task.blocks) if task.blocks else None
    if task.worker is None:
        o.submit_sub(handles[task.callable], args, config)
    else:
        o.submit_next_level(handles[task.callable], args, config, worker=task.worker)


def _args(task: DeclaredTask, tensors: Mapping[str, Tensor]) -> TaskArgs:
    from runtime import Tag, TaskArgs

    pairs = [
        (tensors[a.tensor][a.index] if a.index else tensors[a.tensor], Tag[_TAG_NAMES[a.tag]]) for a in task.arguments
    ]
    return TaskArgs(*pairs, scalars=task.scalars)


def _sizes(config: object, own: Mapping[str, float]) -> dict[str, float]:
    """The sizes in the order of their declaration; each may be computed from those before it."""
    sizes = dict(own)
    for name, value in named(config, "workload.sizes", "numbers").items():
        key = f"workload.sizes.{name}"
        if name in own:
            raise ConfigurationError(f"{key}={value!r}: the topology defines this name")
        sizes[name] = parse_expression(value, key, sizes).number(sizes)
    return sizes


def _orchestration(target: str, lookup: Lookup) -> Callable[..., object] | NotImported:
    key = "workload.orchestration"
    function = lookup.target(target, key)
    if isinstance(function, NotImported):
        return function
    if not callable(function):
        raise ConfigurationError(f"{key}={target!r}: not callable")
    try:
        inspect.signature(function).bind(None, None, None, None)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{key}={target!r}: must take (o, tensors, handles, context)") from None
    result: Callable[..., object] = function
    return result
