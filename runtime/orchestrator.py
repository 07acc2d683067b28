"""Orchestrator: what an orchestration function submits tasks through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.errors import BackPressureTimeout, HandleStaleError
from runtime.identity import TargetNamespace
from runtime.native_errors import code_name, native_errors, translate
from runtime.registry import uncertain
from runtime.run_handle import Task
from runtime.tensor import TaskArgs, native_args

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime import _core
    from runtime.children import ChildInfo
    from runtime.identity import CallableHandle
    from runtime.options import CallConfig
    from runtime.topology import Topology
    from runtime.worker import Worker


class Orchestrator:
    """Submits the tasks of one run; valid while its orchestration function runs."""

    def __init__(self, worker: Worker, run: _core.Run) -> None:
        self._worker = worker
        self._run = run

    @property
    def topology(self) -> Topology:
        """What the Worker consists of: the chips, nodes and sub-workers that there are to submit to."""
        return self._worker.topology

    @property
    def children(self) -> list[ChildInfo]:
        """A snapshot of the processes below; see Worker.children."""
        return self._worker.children

    def submit_next_level(
        self,
        handle: CallableHandle,
        args: TaskArgs | None = None,
        config: CallConfig | None = None,
        *,
        worker: int,
        after: Iterable[Task] = (),
    ) -> Task:
        """Submits one task for exactly the chip, or from level 4 on the node, ``worker``.

        Args:
            handle: a registered chip callable. For a node, a registered Python callable: an orchestration function,
                which the node runs as its own Worker's ``run(function, args, config)``; ``args`` are then TensorArgs.
            args: its tensors with tags, and scalars.
            config: block count, retries.
            worker: the id of the chip, or of the node.
            after: tasks of this run that it must follow beside those inferred from tensors.

        Raises:
            TypeError: not a handle.
            ValueError: no such chip or node.
            HandleForeignError, HandleStaleError, CleanupUncertainError, NamespaceMismatchError: see the documentation,
                callable identity.
            WorkerGivenUp: it died too often and is not replaced any more.
            BackPressureTimeout: too many tasks are pending and none ends.
        """
        namespace = TargetNamespace.LOCAL_PYTHON if self.topology.nodes else TargetNamespace.LOCAL_CHIP
        callable_ = self._worker._registry.resolve(handle, namespace, "submit_next_level")
        placement = self._worker._placement_of(worker)
        return self._submit(callable_, args, placement, config, after)

    def submit_sub(
        self,
        handle: CallableHandle,
        args: TaskArgs | None = None,
        config: CallConfig | None = None,
        *,
        after: Iterable[Task] = (),
    ) -> Task:
        """Submits one task for any idle sub-worker; ``Task.result()`` gives what the callable returns.

        Raises: as submit_next_level; ValueError if the Worker has no sub-workers.
        """
        callable_ = self._worker._registry.resolve(handle, TargetNamespace.LOCAL_PYTHON, "submit_sub")
        self._worker._require_sub_workers()
        return self._submit(callable_, args, -1, config, after)

    def _submit(
        self,
        callable_: _core.CallableRef,
        args: TaskArgs | None,
        placement: int,
        config: CallConfig | None,
        after: Iterable[Task],
    ) -> Task:
        worker = self._worker
        engine = worker._engine
        native = native_args(args, worker._pool)
        earlier = [task._native for task in after]
        blocks, retries = (config.block_count, config.retries) if config else (0, 0)
        while True:
            try:
                task = engine.submit(self._run, callable_, native, placement, blocks, retries, earlier)
            except native_errors() as error:
                if error.args[0] != worker._codes["back_pressure"]:
                    raise _refusal(error, callable_) from None
                self._wait_for_room(error.args[1])
            else:
                return Task(task, engine, worker._failures)

    def _wait_for_room(self, situation: Any) -> None:
        options = self._worker.options
        if not self._worker._engine.wait_for_room(options.submit_timeout):
            raise BackPressureTimeout(
                f"{situation} and none ended within {options.submit_timeout} s; "
                "raise WorkerOptions.max_pending_tasks, or submit less at once",
                operation="submit",
            )


def _refusal(error: Exception, callable_: _core.CallableRef) -> Exception:
    """Why a task was not accepted."""
    fields = {"hashid": f"sha256:{callable_.digest.hex()}", "operation": "submit"}
    name = code_name(error.args[0])
    if name == "cleanup_uncertain":
        return uncertain(callable_.label, error.args[1], **fields)
    if name == "handle_stale":
        return HandleStaleError(f"submit: callable {callable_.label} was unregistered; register it again", **fields)
    return translate(error, **fields)
