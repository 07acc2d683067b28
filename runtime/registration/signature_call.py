"""Calls a Python callable by its signature: the arrays and scalars of a task become its arguments."""

from __future__ import annotations

import inspect
import struct
import sys
import typing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _signed(bits: int) -> int:
    return bits - (1 << 64) if bits >> 63 else bits


def _double(bits: int) -> float:
    value: float = struct.unpack("<d", struct.pack("<Q", bits))[0]
    return value


_DECODERS: dict[Any, Callable[[int], Any]] = {float: _double, int: _signed, bool: bool}


def call_by_signature(function: Callable[..., Any]) -> Callable[[Any], Any]:
    """Wraps ``function`` as a callable that takes a task's arguments; see runtime.by_signature.

    The wrapper raises TypeError if the arguments of a task do not fit the signature.
    """
    kinds = _parameter_types(function)
    required = sum(parameter.default is parameter.empty for parameter in _parameters(function))
    name = getattr(function, "__qualname__", type(function).__name__)

    def call(args: Any) -> Any:
        arrays = [args[i] for i in range(len(args))]
        scalars = args.scalars
        given = len(arrays) + len(scalars)
        if required <= given <= len(kinds):
            values = list(_in_order(kinds, arrays, scalars))
            if len(values) == given:
                return function(*values)
        raise TypeError(
            f"{name}{_signature(function)} does not fit {len(arrays)} tensors and {len(scalars)} scalars; "
            "annotate the parameters that are scalars with float, int or bool"
        )

    return call


def _in_order(kinds: list[Any], arrays: list[Any], scalars: list[int]) -> Iterable[Any]:
    left_arrays, left_scalars = iter(arrays), iter(scalars)
    for kind in kinds:
        source: Any = left_scalars if kind in _DECODERS else left_arrays
        value = next(source, None)
        if value is None and source is left_arrays:
            source, value = left_scalars, next(left_scalars, None)
        if value is None:
            return
        yield _DECODERS.get(kind, _signed)(value) if source is left_scalars else value


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    if sys.version_info >= (3, 14):  # annotations are evaluated now, and may name what exists for type checkers only
        from annotationlib import Format

        return inspect.signature(function, annotation_format=Format.FORWARDREF)
    return inspect.signature(function)


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return [p for p in _signature(function).parameters.values() if p.kind in _POSITIONAL]


def _parameter_types(function: Callable[..., Any]) -> list[Any]:
    """The annotation of each positional parameter, resolved; None for a parameter without one."""
    try:
        hints = typing.get_type_hints(function)
    except Exception:  # one cannot be resolved: the others still count
        hints = {}
    names = {kind.__name__: kind for kind in _DECODERS}

    def type_of(parameter: inspect.Parameter) -> Any:
        annotation = hints.get(parameter.name, parameter.annotation)
        if isinstance(annotation, str):
            return names.get(annotation)
        return annotation if isinstance(annotation, type) else None

    return [type_of(parameter) for parameter in _parameters(function)]
