"""Callable identity: canonical descriptors, their hashids, and handles (docs/explanation/identity.md).

Pure Python with hashlib. The native core derives the same bytes with its own code, and tests compare both.
"""

from runtime.identity.descriptors import (
    ArgDirection,
    build_chip_callable_descriptor,
    build_python_serialized_descriptor,
    build_python_source_descriptor,
    compute_callable_hashid,
    hashid_to_digest,
    module_file,
    signature_schema_hash,
    target_arch,
)
from runtime.identity.handle import CallableHandle, CallableKind, TargetNamespace, validate_hashid

__all__ = [
    "ArgDirection",
    "CallableHandle",
    "CallableKind",
    "TargetNamespace",
    "build_chip_callable_descriptor",
    "build_python_serialized_descriptor",
    "build_python_source_descriptor",
    "compute_callable_hashid",
    "hashid_to_digest",
    "module_file",
    "signature_schema_hash",
    "target_arch",
    "validate_hashid",
]
