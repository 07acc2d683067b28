"""What each stage hands to the next: frozen results, and what a run knows of itself on the way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pipeline.config.chip_model import Modelled
    from pipeline.config.specs import ChipSpec, PythonSpec
    from pipeline.config.topology import Level
    from pipeline.lock.differences import Difference
    from pipeline.lock.document import LockedCallable
    from pipeline.lock.file import LockFile
    from pipeline.workloads.base import Verification, Workload
    from runtime import CallableHandle, ChipCallable, RunHandle, Worker


class Described(NamedTuple):
    """The whole configuration, understood: everything that follows needs no other input."""

    workload_name: str
    workload: Workload[Any]
    warm_up: int
    """Runs before those that are measured."""
    repeat: int
    """Runs that are measured."""
    capture: bool
    """Whether the runs are launches of one captured graph."""
    chip_callables: tuple[ChipSpec, ...]
    python_callables: tuple[PythonSpec, ...]
    """Those that run: none if there is neither a sub-worker nor a node."""
    declared_python_callables: tuple[PythonSpec, ...]
    """All; a lock holds for every topology."""
    topology: str
    tree: Level
    """The Workers; the root is what runs the workload."""
    platform: str
    runtime: str
    target: str
    build: str
    cmake_build_type: str
    sanitizer: str
    kernel_flags: tuple[str, ...]
    store: Path
    worker_options: Mapping[str, Any]
    modelled: Modelled | None
    """What is computed in virtual time; None without a chip model."""
    to_record: Workload[Any] | None
    """With a chip model, the workload once more: recording it prepares it, and leaves it fit for nothing else."""
    lock: str
    """``"off"``, ``"write"`` or ``"check"``."""
    lock_file: LockFile


class Built(NamedTuple):
    """The binaries of a run."""

    described: Described
    chip_callables: Mapping[str, ChipCallable]


class Locked(NamedTuple):
    """A build whose callables were written to the lock file or compared with it."""

    built: Built
    callables: Mapping[str, LockedCallable]
    """What was built, as the lock records it."""
    sha256: str
    """Of the lock file's bytes."""
    outcome: str
    """``"written"``, ``"unchanged"``, ``"matches"`` or ``"differs"``."""
    differences: tuple[Difference, ...] = ()


class Started(NamedTuple):
    """A Worker that is ready."""

    built: Built
    worker: Worker


class Registered(NamedTuple):
    """A Worker that knows every callable of the workload."""

    started: Started
    handles: Mapping[str, CallableHandle]


class Executed(NamedTuple):
    """A run that has ended without an error."""

    registered: Registered
    runs: tuple[RunHandle, ...]
    warm_up_seconds: tuple[float, ...]
    """How long each run took that warmed up."""
    run_seconds: tuple[float, ...]
    """How long each measured run took, from its first submit to its end."""


class Verified(NamedTuple):
    """A run whose outcome was compared with what was expected."""

    executed: Executed
    verification: Verification
