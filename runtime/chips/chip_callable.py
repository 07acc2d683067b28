"""ChipCallable: compiled kernels and an optional orchestration function in one deterministic blob."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from runtime import _core, pickled_names
from runtime.errors import BlobError
from runtime.identity import ArgDirection

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class CoreCallable:
    """One compiled kernel.

    Args:
        name: the exported symbol, a C identifier.
        func_id: the number under which the orchestration function launches it.
        signature: directions of its arguments.
        binary: an ELF shared object.
        core_kind: a label such as ``"aiv"`` or ``"aic"``.
    """

    name: str
    func_id: int
    signature: tuple[ArgDirection, ...]
    binary: bytes
    core_kind: str = "aiv"

    @classmethod
    def build(
        cls,
        *,
        name: str,
        signature: Iterable[ArgDirection | int],
        binary: bytes,
        func_id: int = 0,
        core_kind: str = "aiv",
    ) -> Self:
        """Makes a kernel. Raises ValueError for an unknown direction."""
        return cls(name, func_id, tuple(ArgDirection(d) for d in signature), bytes(binary), core_kind)


@dataclass(frozen=True, slots=True)
class ChipCallable:
    """A compiled callable that a chip executes. Equal blobs are equal callables.

    Make one with ``build``, ``from_bytes`` or ``runtime.toolchain.build_chip_callable``.
    """

    blob: bytes
    """The whole callable; its hash is part of the identity."""
    entry: str
    signature: tuple[ArgDirection, ...]
    kernels: tuple[CoreCallable, ...]
    orchestration: bytes
    """The orchestration binary; empty if the callable is one kernel, which is launched directly."""

    @classmethod
    def build(
        cls,
        *,
        entry: str,
        signature: Iterable[ArgDirection | int],
        kernels: Iterable[CoreCallable],
        binary: bytes = b"",
    ) -> Self:
        """Assembles a callable; the same parts give the same bytes on every machine.

        Args:
            entry: the name of the exported orchestration function; without one, of the kernel.
            signature: the public signature.
            kernels: in any order.
            binary: the orchestration function's ELF shared object.

        Raises:
            BlobError: the parts do not fit together; the message names the part.
        """
        parts = [(k.func_id, k.name, k.core_kind, [int(d) for d in k.signature], k.binary) for k in kernels]
        try:
            blob = _core.build_blob(entry, [int(ArgDirection(d)) for d in signature], binary, parts)
        except _core.NativeError as error:
            raise BlobError(error.args[1], operation="build") from None
        return cls.from_bytes(blob)

    @classmethod
    def from_bytes(cls, blob: bytes) -> Self:
        """Makes a callable of a blob, and validates all of it. Raises BlobError."""
        try:
            entry, signature, orchestration, kernels = _core.parse_blob(bytes(blob))
        except _core.NativeError as error:
            raise BlobError(error.args[1], operation="from_bytes") from None
        return cls(
            bytes(blob),
            entry,
            tuple(ArgDirection(d) for d in signature),
            tuple(
                CoreCallable(name, func_id, tuple(ArgDirection(d) for d in directions), binary, core_kind)
                for func_id, name, core_kind, directions, binary in kernels
            ),
            orchestration,
        )

    def to_bytes(self) -> bytes:
        """The blob."""
        return self.blob

    @property
    def name(self) -> str:
        """The name in messages: the entry's name."""
        return self.entry

    def __repr__(self) -> str:
        """Names entry, signature, kernels and size."""
        directions = ", ".join(d.name for d in self.signature)
        return f"<ChipCallable {self.entry}({directions}), {len(self.kernels)} kernels, {len(self.blob)} bytes>"


pickled_names.keep(__name__)
