"""A build in the form of a lock: the hashid of each callable, and the sources of its bytes."""

from __future__ import annotations

import hashlib
import posixpath
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.building.chip_callables import header_path, sources
from pipeline.lock.document import Fact, LockedCallable
from pipeline.run.stages.registered_target import registered_target
from runtime.errors import ConfigurationError
from runtime.identity import (
    ArgDirection,
    CallableKind,
    build_chip_callable_descriptor,
    build_python_source_descriptor,
    compute_callable_hashid,
    module_file,
)
from runtime.identity.handle import expected_handle
from runtime.registration.serialize import serialize

if TYPE_CHECKING:
    from pipeline.building.chip_callables import CallableBuilder
    from pipeline.config.specs import ChipSpec, PythonSpec
    from pipeline.run.stage_results import Described
    from runtime import CallableHandle, ChipCallable
    from runtime.registration.serialize import Serialized


def target_name(described: Described) -> str:
    """The lock's name of a target: the parts that hashids cover, so not the build of the core."""
    return f"{described.platform}/{described.runtime}"


def chip_entries(
    described: Described, built: Mapping[str, ChipCallable], builder: CallableBuilder
) -> dict[str, LockedCallable]:
    """The built chip callables of a workload. ``builder`` provides the headers and the compiler."""
    return {
        spec.name: _chip(described, spec, built[spec.name], builder)
        for spec in described.chip_callables
        if spec.name in built
    }


def python_entries(described: Described, built: Mapping[str, ChipCallable]) -> dict[str, LockedCallable]:
    """All Python callables that a workload declares, also if this topology has no sub-worker.

    ``built`` has the chip callables. A callable may capture the handles of these and of the Python callables declared
    before it. Each handle pickles like the registered one, so the hashids are those of the registrations.
    """
    handles: dict[str, CallableHandle] = {}
    if described.tree.total_chips or not described.tree.children:
        for name, callable_ in built.items():
            handles[name] = _handle(name, serialize(callable_, **_context(described)))
    entries = {}
    for spec in described.declared_python_callables:
        target, captured = registered_target(spec, handles)
        serialized = serialize(target, **_context(described))
        facts = _python_facts(spec)
        if spec.pickle_by_value:
            facts |= {
                "python": f"{sys.version_info.major}.{sys.version_info.minor}",
                "cloudpickle": version("cloudpickle"),
            }
        if captured:
            facts["handles"] = {name: handle.hashid for name, handle in captured.items()}
        handles[spec.name] = _handle(spec.name, serialized)
        entries[spec.name] = LockedCallable(serialized.hashid, serialized.kind, facts)
    return entries


def source_entries(described: Described) -> dict[str, LockedCallable]:
    """The Python callables that are named by their source, which need no import."""
    return {
        spec.name: LockedCallable(
            compute_callable_hashid(build_python_source_descriptor(spec.target)),
            CallableKind.PYTHON_SOURCE,
            _python_facts(spec),
        )
        for spec in described.declared_python_callables
        if not spec.pickle_by_value
    }


def _context(described: Described) -> dict[str, str]:
    return {"platform": described.platform, "runtime": described.runtime}


def _handle(name: str, serialized: Serialized) -> CallableHandle:
    return expected_handle(serialized.hashid, serialized.kind, serialized.namespace, sys.intern(name))


def _chip(described: Described, spec: ChipSpec, built: ChipCallable, builder: CallableBuilder) -> LockedCallable:
    descriptor = build_chip_callable_descriptor(
        blob=built.blob, signature=built.signature, platform=described.platform, runtime=described.runtime
    )
    facts: dict[str, Fact] = {
        "blob": _sha256(built.blob),
        "compiler": builder.compiler,
        "entry": spec.entry,
        "signature": _directions(spec.signature),
        "sources": _chip_sources(spec, builder),
    }
    flags = (*spec.flags, *described.kernel_flags)
    if flags:
        facts["flags"] = " ".join(flags)
    if spec.source is not None:
        facts["kernels"] = {
            kernel.name: f"func_id {kernel.func_id}, {kernel.core_kind}, ({_directions(kernel.signature)})"
            for kernel in spec.kernels
        }
    return LockedCallable(compute_callable_hashid(descriptor), CallableKind.CHIP_CALLABLE, facts)


def _chip_sources(spec: ChipSpec, builder: CallableBuilder) -> dict[str, str]:
    """The digests of sources and headers, by the names that the configs and the sources give them."""
    digests: dict[str, str] = {}
    names = [*([spec.source_name] if spec.source else []), *(kernel.source_name for kernel in spec.kernels)]
    for source, name, headers in zip(sources(spec), names, builder.headers(spec), strict=True):
        _note(digests, name, source)
        for header in headers:
            _note(digests, _header_name(name, header), header_path(source, header))
    return digests


def _header_name(source_name: str, header: str) -> str:
    """A header's name, relative to the source's name; only its last part for a header above the configs' folders."""
    if header.startswith("<"):
        return header[1:-1]
    name = posixpath.normpath(f"{posixpath.dirname(source_name) or '.'}/{header}")
    return posixpath.basename(name) if name.startswith("..") else name


def _note(digests: dict[str, str], name: str, path: Path) -> None:
    """Numbers files whose names differ only in the machine's folders."""
    digest = _sha256(path.read_bytes())
    candidate, number = name, 1
    while digests.get(candidate, digest) != digest:
        number += 1
        candidate = f"{name} ({number})"
    digests[candidate] = digest


def _python_facts(spec: PythonSpec) -> dict[str, Fact]:
    return {"target": spec.target, "sources": _module_source(spec.target.partition(":")[0])}


def _module_source(module: str) -> dict[str, str]:
    """The digest of a module's Python file, if it has one."""
    try:
        return {module: _sha256(module_file(module).read_bytes())}
    except ConfigurationError:
        return {}


def _directions(signature: Iterable[int]) -> str:
    return ", ".join(ArgDirection(direction).name.lower() for direction in signature)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
