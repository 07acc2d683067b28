"""Builds chip callables, or finds them in the store.

The key covers the sources, their headers, flags, signatures, the compiler and the platform, but no path. The headers of
a source are recorded after each build, so that no program has to run if nothing changed. Their paths are recorded
relative to the source: clones in several folders share a store, and each has its own headers.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.building.compiler import compiler_identity, latest_identity
from pipeline.building.store import Store, digest_of
from runtime.chips.chip_callable import ChipCallable
from runtime.errors import BlobError, CompileError, ConfigurationError, SignatureMismatch
from runtime.processes.spawning import core_folder

if TYPE_CHECKING:
    from pipeline.config.specs import ChipSpec

_FORMAT = "2"
"""Part of every key: raised when the toolchain compiles the same sources differently, or when the records change."""
_BLOB = "callable.blob"


class CallableBuilder:
    """Builds for one platform with one set of flags.

    Args:
        root: the store.
        platform: the platform of the callables.
        flags: flags of the build (sanitizers), in addition to each callable's own.
        read_only: only reads the store.
    """

    def __init__(self, root: Path, platform: str, flags: tuple[str, ...], *, read_only: bool = False) -> None:
        self._store = Store(root, "callables", read_only=read_only)
        self._platform = platform
        self._flags = flags
        self._keys: dict[str, str] = {}
        self.compiler = latest_identity(self._store)
        """Version and target of the compiler; if none is installed, of the last one that used the store."""
        self.damaged_names: set[str] = set()
        """Callables whose entry was altered on disk, or belongs to another user."""

    def find(self, spec: ChipSpec) -> ChipCallable | None:
        """The stored callable that was built from exactly these sources, or None."""
        primary = self._primary_key(spec)
        note = self._store.read_note(primary)
        if note is None:
            return None
        try:
            key = self._key(primary, spec, json.loads(note))
        except (OSError, ValueError):
            return None
        found = self._stored(key)
        if found is not None:
            self._keys[spec.name] = key
        elif self._store.is_damaged(key):
            self.damaged_names.add(spec.name)
        return found

    def _stored(self, key: str) -> ChipCallable | None:
        entry = self._store.find(key)
        try:
            return None if entry is None else ChipCallable.from_bytes((entry / _BLOB).read_bytes())
        except (OSError, BlobError):
            return None

    def mark_used(self, spec: ChipSpec) -> None:
        """Records that the entry is used today."""
        if spec.name in self._keys:
            self._store.mark_used(self._keys[spec.name])

    def origin(self, spec: ChipSpec) -> dict[str, Any]:
        """The inputs of the callable, by digest: kept with the entry, and compared by a plan.

        Raises CompileError if the compiler fails to list the headers.
        """
        headers = self.headers(spec)
        return self._origin(spec, headers)

    def damaged(self, spec: ChipSpec) -> bool:
        """Whether the store has an entry of this callable that is damaged. Raises like ``origin``."""
        return self._store.is_damaged(self._key(self._primary_key(spec), spec, self.headers(spec)))

    def earlier_origins(self, spec: ChipSpec) -> list[tuple[float, Mapping[str, Any]]]:
        """The inputs of the store's entries with the same entry function, with the time of their last use."""
        entries = self._store.entries()
        return [(entry.used, entry.origin) for entry in entries if entry.origin.get("name") == spec.entry]

    def build(self, spec: ChipSpec) -> ChipCallable:
        """Compiles and stores the callable. Raises like runtime.toolchain.build_chip_callable, naming the callable."""
        try:
            return self._build(spec)
        except CompileError as error:
            said = f"workload.callables.{spec.name}: {error.args[0]}"
            fields = {name: getattr(error, name) for name in ("output", "source")}
            raise CompileError(said, **fields) from None
        except (SignatureMismatch, BlobError, ConfigurationError) as error:
            raise type(error)(f"workload.callables.{spec.name}: {error.args[0]}") from None

    def headers(self, spec: ChipSpec) -> list[list[str]]:
        """The headers of each source, in the form that ``header_path`` takes.

        Raises CompileError if the compiler has to list them again and fails.
        """
        note = self._store.read_note(self._primary_key(spec))
        if note is None:
            return self._included(spec)
        headers: list[list[str]] = json.loads(note)
        return headers

    def _included(self, spec: ChipSpec) -> list[list[str]]:
        from runtime.toolchain import included_files

        flags = (*spec.flags, *self._flags)
        return [
            [_as_seen_from(source, path) for path in included_files(source, flags=flags) if path != source]
            for source in sources(spec)
        ]

    def _build(self, spec: ChipSpec) -> ChipCallable:
        compiler_identity(self._store)  # raises if there is no compiler
        headers = self._included(spec)
        primary = self._primary_key(spec)
        key = self._key(primary, spec, headers)

        def write(folder: Path) -> None:
            (folder / _BLOB).write_bytes(self._compiled(spec, folder).blob)
            if self._key(self._primary_key(spec), spec, headers) != key:
                # The compiled bytes may be neither those of the old nor of the new sources.
                said = f"{spec.entry}: its sources changed while they were compiled; run it again"
                raise CompileError(said, output="", source=spec.entry)

        while True:
            self._store.put(key, write, self._origin(spec, headers))
            self._store.write_note(primary, json.dumps(headers))
            stored = self._stored(key)
            if stored is not None:  # None if it was pruned at once
                return stored

    def _compiled(self, spec: ChipSpec, scratch: Path) -> ChipCallable:
        from runtime.toolchain import KernelSource, build_chip_callable

        return build_chip_callable(
            spec.source,
            signature=spec.signature,
            platform=self._platform,
            entry=spec.entry,
            kernels=[KernelSource(k.name, k.source, k.signature, k.func_id, k.core_kind) for k in spec.kernels],
            flags=(*spec.flags, *self._flags),
            scratch=scratch,
        )

    def _origin(self, spec: ChipSpec, headers: list[list[str]]) -> dict[str, Any]:
        found = {
            f"{header} (of {source.name})": _digest(header_path(source, header))
            for source, included in zip(sources(spec), headers, strict=True)
            for header in included
        }
        return {
            "name": spec.entry,
            "format": _FORMAT,
            "target": self._platform,
            "compiler": self.compiler,
            "flags": [*spec.flags, *self._flags],
            "signature": list(spec.signature),
            "kernels": [[k.name, list(k.signature), k.func_id, k.core_kind] for k in spec.kernels],
            "sources": {_name(spec, source): _digest(source) for source in sources(spec)},
            "headers": found,
        }

    def _primary_key(self, spec: ChipSpec) -> str:
        parts: list[str | bytes] = [_FORMAT, self._platform, self.compiler, repr((*spec.flags, *self._flags))]
        kernels = [(k.name, k.signature, k.func_id, k.core_kind) for k in spec.kernels]
        parts += [spec.entry, repr(spec.signature), repr(kernels)]
        for source in sources(spec):
            parts += [source.name, source.read_bytes()]
        return digest_of(*parts)

    def _key(self, primary: str, spec: ChipSpec, headers: list[list[str]]) -> str:
        parts: list[str | bytes] = [primary]
        for source, included in zip(sources(spec), headers, strict=True):
            for header in included:
                parts += [Path(header).name, header_path(source, header).read_bytes()]
        return digest_of(*parts)


def sources(spec: ChipSpec) -> list[Path]:
    """The files that are compiled: the orchestration function's, if there is one, then the kernels'."""
    return [*([spec.source] if spec.source else []), *(kernel.source for kernel in spec.kernels)]


def header_path(source: Path, header: str) -> Path:
    """The path of a header of ``source``, given as ``<name>`` if it is Callring's, else relative to the source."""
    if header.startswith("<"):
        return Path(core_folder(), "include", header[1:-1])
    return Path(os.path.normpath(source.parent / header))


def _as_seen_from(source: Path, header: Path) -> str:
    ours = Path(core_folder(), "include")
    if header.is_relative_to(ours):
        return f"<{header.relative_to(ours).as_posix()}>"
    return os.path.relpath(header, source.parent)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _name(spec: ChipSpec, source: Path) -> str:
    """The name of a source in the configs."""
    declared = [(spec.source, spec.source_name), *((k.source, k.source_name) for k in spec.kernels)]
    return next(name for path, name in declared if path == source)
