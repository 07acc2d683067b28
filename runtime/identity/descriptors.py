"""Canonical descriptors of callables, and their hashids (docs/explanation/identity.md).

Pure Python with hashlib. The native core derives the same bytes with its own code, and tests compare both.
"""

from __future__ import annotations

import os
import struct
import sys
from enum import IntEnum
from typing import TYPE_CHECKING

from runtime import pickled_names
from runtime.errors import ConfigurationError
from runtime.identity.handle import validate_hashid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from importlib.machinery import ModuleSpec
    from pathlib import Path

DESCRIPTOR_SCHEMA_VERSION = 1
_ARCHITECTURES = {"": "", "a2a3": "a2a3", "a2a3sim": "a2a3", "a5": "a5", "a5sim": "a5"}


class ArgDirection(IntEnum):
    """Direction of one argument in a signature; the numbers are part of the identity."""

    SCALAR = 0
    IN = 1
    OUT = 2
    INOUT = 3


def _u32(value: int) -> bytes:
    return struct.pack("<I", value)


def _bytes(value: bytes) -> bytes:
    return _u32(len(value)) + value


def _str(value: str) -> bytes:
    return _bytes(value.encode())


def _sha256(data: bytes) -> bytes:
    import hashlib  # imported here to keep the start fast: it loads OpenSSL

    return hashlib.sha256(data).digest()


def _header(kind: int) -> bytes:
    return _u32(DESCRIPTOR_SCHEMA_VERSION) + _u32(kind)


def target_arch(platform: str) -> str:
    """The architecture of a platform. Raises ConfigurationError for an unknown one."""
    try:
        return _ARCHITECTURES[platform]
    except KeyError:
        known = ", ".join(name for name in _ARCHITECTURES if name)
        raise ConfigurationError(f"platform={platform!r}: unknown; known are {known}") from None


def signature_schema_hash(signature: Iterable[ArgDirection | int]) -> bytes:
    """SHA-256 (32 bytes) of ``u32 1, u32 count, u32 direction[count]``. Raises ValueError for an unknown direction."""
    directions = [ArgDirection(direction) for direction in signature]
    return _sha256(_u32(1) + _u32(len(directions)) + b"".join(map(_u32, directions)))


def build_chip_callable_descriptor(
    *, blob: bytes, signature: Iterable[ArgDirection | int], platform: str, runtime: str
) -> bytes:
    """Descriptor of kind 1: the hash of the whole blob in the context of a platform and a runtime.

    Raises:
        ConfigurationError: unknown platform.
        ValueError: unknown direction in the signature.
    """
    return b"".join(
        (
            _header(1),
            _str(target_arch(platform)),
            _str(platform),
            _str(runtime),
            _bytes(_sha256(blob)),
            _bytes(signature_schema_hash(signature)),
        )
    )


def build_python_serialized_descriptor(payload: bytes) -> bytes:
    """Descriptor of kind 2: the hash of the serializer's bytes (without the envelope)."""
    return _header(2) + _u32(1) + _u32(1) + _bytes(_sha256(payload))


def build_python_source_descriptor(target: str | Callable[..., object]) -> bytes:
    """Descriptor of kind 4: module, qualified name and the hash of the module file's bytes.

    Args:
        target: ``"module:qualname"``, or a function found under its module and qualified name.

    Raises:
        ConfigurationError: malformed target, no such module, or a module without a source file.
    """
    text = target if isinstance(target, str) else f"{target.__module__}:{target.__qualname__}"
    module, colon, qualname = text.partition(":")
    names = [*module.split("."), *qualname.split(".")]
    if not colon or not all(name.isidentifier() for name in names):
        raise ConfigurationError(f"target {text!r}: give 'module:qualname' of a module-level function")
    digest = _sha256(module_file(module).read_bytes())
    return _header(4) + _str(module) + _str(qualname) + _bytes(digest)


def module_file(module: str) -> Path:
    """The file that a module is imported from, found without importing the module or its parent packages.

    Raises:
        ConfigurationError: no such module, or a module without a source file.
    """
    try:
        spec = _find_spec(module)
    except (ImportError, ValueError) as error:
        raise ConfigurationError(f"module {module!r} cannot be found: {error}") from None
    if spec is None:
        raise ConfigurationError(f"module {module!r} cannot be found")
    if spec.origin is None or not spec.origin.endswith(".py"):
        raise ConfigurationError(f"module {module!r} has no source file, so its source cannot name a callable")
    from pathlib import Path  # imported here to keep the start fast

    return Path(spec.origin)


def _find_spec(module: str) -> ModuleSpec | None:
    """Like importlib.util.find_spec, but without importing the module's parent packages."""
    if module in sys.modules:
        loaded = sys.modules[module].__spec__
        if loaded is None:
            raise ValueError("it is not a module that can be imported by its name")
        return loaded
    spec: ModuleSpec | None = None
    path: list[str] | None = None
    name = ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        found = (finder.find_spec(name, path) for finder in sys.meta_path)
        try:
            spec = next((one for one in found if one is not None), None)
        except (KeyError, ModuleNotFoundError):
            # A namespace package in a namespace package asks for the outer one, which is not imported. Python 3.15 says
            # so, older ones raise a KeyError.
            spec = _namespace_package(name, part, path or [])
        if spec is None or (name != module and spec.submodule_search_locations is None):
            return None
        # Iterating over the path of a namespace package would need its parent package, which may not be imported.
        locations = spec.submodule_search_locations
        path = None if locations is None else list(getattr(locations, "_path", locations))
    return spec


def _namespace_package(name: str, part: str, path: list[str]) -> ModuleSpec:
    from importlib.machinery import ModuleSpec  # imported here to keep the start fast

    spec = ModuleSpec(name, None, is_package=True)
    folders = [os.path.join(folder, part) for folder in path]  # noqa: PTH118 - pathlib is imported late
    spec.submodule_search_locations = [folder for folder in folders if os.path.isdir(folder)]  # noqa: PTH112
    return spec


def compute_callable_hashid(descriptor: bytes) -> str:
    """``sha256:`` and the hexadecimal SHA-256 of the descriptor."""
    return f"sha256:{_sha256(descriptor).hex()}"


def hashid_to_digest(hashid: str) -> bytes:
    """The 32 raw bytes of a hashid. Raises HashidFormatError."""
    return bytes.fromhex(validate_hashid(hashid)[7:])


pickled_names.keep(__name__)
