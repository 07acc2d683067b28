"""What a workload's configuration declares, resolved and validated: its callables."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class KernelSpec(NamedTuple):
    """One kernel, resolved and validated."""

    name: str
    source: Path
    source_name: str
    """The source as the configs name it, without the machine's folders."""
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
    """As of a kernel; empty if there is no orchestration function."""
    kernels: tuple[KernelSpec, ...]
    flags: tuple[str, ...]
    flop: float = 0.0
    """Floating-point operations of one task; 0 if that was left out."""
    bytes: float = 0.0
    """Bytes that one task moves, likewise."""


class PythonSpec(NamedTuple):
    """A declared Python callable, resolved and validated."""

    name: str
    target: str
    pickle_by_value: bool
    flop: float = 0.0
    """As of a chip callable."""
    bytes: float = 0.0
