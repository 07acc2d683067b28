"""The frozen results that each stage passes to the next."""

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
    """The whole configuration, resolved and checked: later stages need no other input."""

    workload_name: str
    workload: Workload[Any]
    warm_up: int
    """Number of warm-up runs."""
    repeat: int
    """Number of measured runs."""
    capture: bool
    """Whether the runs are launches of one captured graph."""
    chip_callables: tuple[ChipSpec, ...]
    python_callables: tuple[PythonSpec, ...]
    """The Python callables that run; none without a sub-worker or node."""
    declared_python_callables: tuple[PythonSpec, ...]
    """All Python callables: a lock holds for every topology."""
    topology: str
    tree: Level
    """The tree of Workers; the root runs the workload."""
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
    """The chip model; None without virtual time."""
    to_record: Workload[Any] | None
    """With a chip model, a second instance of the workload: recording prepares it, and it cannot be used again."""
    lock: str
    """``"off"``, ``"write"`` or ``"check"``."""
    lock_file: LockFile


class Built(NamedTuple):
    """The binaries of a run."""

    described: Described
    chip_callables: Mapping[str, ChipCallable]


class Locked(NamedTuple):
    """The build after its callables were written to the lock file or compared with it."""

    built: Built
    callables: Mapping[str, LockedCallable]
    """The built callables, as the lock records them."""
    sha256: str
    """The SHA-256 of the lock file's bytes."""
    outcome: str
    """``"written"``, ``"unchanged"``, ``"matches"`` or ``"differs"``."""
    differences: tuple[Difference, ...] = ()


class Started(NamedTuple):
    """A ready Worker."""

    built: Built
    worker: Worker


class Registered(NamedTuple):
    """A Worker in which every callable of the workload is registered."""

    started: Started
    handles: Mapping[str, CallableHandle]


class Executed(NamedTuple):
    """A run that has ended without an error."""

    registered: Registered
    runs: tuple[RunHandle, ...]
    warm_up_seconds: tuple[float, ...]
    """Duration of each warm-up run."""
    run_seconds: tuple[float, ...]
    """Duration of each measured run, from its first submit to its end."""


class Verified(NamedTuple):
    """A run whose result was compared with the expected result."""

    executed: Executed
    verification: Verification
