"""The callables of a workload's configuration, resolved and validated."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class KernelSpec(NamedTuple):
    """One kernel, resolved and validated."""

    name: str
    source: Path
    source_name: str
    """The name of the source in the configs, without the machine's folders."""
    signature: tuple[int, ...]
    func_id: int
    core_kind: str


class ChipSpec(NamedTuple):
    """A declared chip callable, resolved and validated."""

    name: str
    entry: str
    signature: tuple[int, ...]
    source: Path | None
    """The file of the orchestration function; None if the callable is a single kernel."""
    source_name: str
    """The name of the orchestration function's source in the configs; empty if there is none."""
    kernels: tuple[KernelSpec, ...]
    flags: tuple[str, ...]
    flop: float = 0.0
    """Floating-point operations of one task; 0 if they were not declared."""
    bytes: float = 0.0
    """Bytes that one task moves; 0 if they were not declared."""


class PythonSpec(NamedTuple):
    """A declared Python callable, resolved and validated."""

    name: str
    target: str
    pickle_by_value: bool
    flop: float = 0.0
    """Floating-point operations of one task; 0 if they were not declared."""
    bytes: float = 0.0
