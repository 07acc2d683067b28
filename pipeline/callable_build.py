"""Builds chip callables, or finds them in the store.

The key covers the sources, the headers that they include, flags, signatures, the compiler and the platform, and no
path. Which headers a source includes is noted after each build, so that nothing has to run when nothing changed. They
are noted as seen from the source: clones in several folders share a store, and each has headers of its own.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.store import Store, digest_of
from runtime.chip_callable import ChipCallable
from runtime.errors import BlobError, CompileError, ConfigurationError, SignatureMismatch
from runtime.spawning import core_folder

if TYPE_CHECKING:
    from pipeline.model import ChipSpec

_FORMAT = "2"
"""Part of every key: raised when the toolchain compiles the same sources differently, or when notes change."""
_BLOB = "callable.blob"


class CallableBuilder:
    """Builds for one platform with one set of flags.

    Args:
        root: the store.
        platform: what to build for.
        flags: of the build (sanitizers), added to each callable's own.
    """

    def __init__(self, root: Path, platform: str, flags: tuple[str, ...]) -> None:
        self._store = Store(root, "callables")
        self._platform = platform
        self._flags = flags
        self.compiler = _compiler_identity(self._store)
        """What the compiler says of itself."""

    def find(self, spec: ChipSpec) -> ChipCallable | None:
        """The callable as it was built from exactly these bytes, or None."""
        primary = self._primary_key(spec)
        note = self._store.read_note(primary)
        if note is None:
            return None
        try:
            entry = self._store.find(self._key(primary, spec, json.loads(note)))
            return None if entry is None else ChipCallable.from_bytes((entry / _BLOB).read_bytes())
        except (OSError, ValueError, BlobError):
            return None

    def build(self, spec: ChipSpec) -> ChipCallable:
        """Compiles the callable and stores it. Raises as runtime.toolchain.build_chip_callable, naming the callable."""
        try:
            return self._build(spec)
        except CompileError as error:
            said = f"workload.callables.{spec.name}: {error.args[0]}"
            fields = {name: getattr(error, name) for name in ("output", "source")}
            raise CompileError(said, **fields) from None
        except (SignatureMismatch, BlobError, ConfigurationError) as error:
            raise type(error)(f"workload.callables.{spec.name}: {error.args[0]}") from None

    def headers(self, spec: ChipSpec) -> list[list[str]]:
        """For each of ``sources`` the headers that it includes, as ``header_path`` takes them.

        Raises CompileError if they have to be found out again.
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
        from runtime.toolchain import KernelSource, build_chip_callable

        built = build_chip_callable(
            spec.source,
            signature=spec.signature,
            platform=self._platform,
            entry=spec.entry,
            kernels=[KernelSource(k.name, k.source, k.signature, k.func_id, k.core_kind) for k in spec.kernels],
            flags=(*spec.flags, *self._flags),
        )
        headers = self._included(spec)
        primary = self._primary_key(spec)
        self._store.put(self._key(primary, spec, headers), lambda folder: _write(folder / _BLOB, built.blob))
        self._store.write_note(primary, json.dumps(headers))
        return built

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
    """Where a header is that ``source`` includes, given as ``<name>`` if it is ours, else relative to the source."""
    if header.startswith("<"):
        return core_folder() / "include" / header[1:-1]
    return Path(os.path.normpath(source.parent / header))


def _as_seen_from(source: Path, header: Path) -> str:
    ours = core_folder() / "include"
    if header.is_relative_to(ours):
        return f"<{header.relative_to(ours).as_posix()}>"
    return os.path.relpath(header, source.parent)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _compiler_identity(store: Store) -> str:
    """What the compiler says of itself; asked again only when its file changes."""
    found = shutil.which("g++")
    if found is None:
        from runtime.errors import ToolchainMissing

        raise ToolchainMissing("g++ is not installed; on Debian: apt-get install g++")
    file = Path(found).resolve()
    facts = file.stat()
    name = digest_of(str(file), str(facts.st_size), str(facts.st_mtime_ns))
    known = store.read_note(name)
    if known is None:
        from runtime.toolchain import compiler_identity

        known = compiler_identity()
        store.write_note(name, known)
    return known
