"""The arithmetic of declared workloads: numbers over named sizes and loop variables, and pieces of tensors.

``size // 2``, ``left[part(chip, chips)]``, ``image[tile * 16 : (tile + 1) * 16, :]``. The syntax is a small part of
Python's, parsed by Python's parser and checked node by node, so that it can only express arithmetic.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any

from pipeline.config.suggest import near, near_or_all
from runtime.errors import ConfigurationError

_FUNCTIONS: dict[str, Callable[..., Any]] = {"min": min, "max": max}
_ALLOWED = (
    *(ast.Expression, ast.BinOp, ast.UnaryOp, ast.Name, ast.Load, ast.Constant, ast.Call),
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.USub),
)
_SAID = "numbers, names, + - * / // %, min() and max()"
_PART = "part"
NODES = "nodes"
"""The name of the number of nodes, known on topologies of nodes."""


@dataclass(frozen=True, slots=True)
class Expression:
    """One number, computed from names."""

    text: str
    key: str
    """The key of its declaration, for messages."""
    _code: CodeType

    def number(self, values: Mapping[str, float]) -> float:
        """Its value. Raises ConfigurationError if there is none."""
        try:
            # Every node was checked: the expression only has arithmetic and the functions given here.
            result = eval(self._code, {"__builtins__": {}, **_FUNCTIONS}, dict(values))
        except (ArithmeticError, ValueError, TypeError) as error:
            raise ConfigurationError(f"{self.key}={self.text!r}: {error} ({_shown(values)})") from None
        assert isinstance(result, int | float)
        return result

    def integer(self, values: Mapping[str, float]) -> int:
        """Its value. Raises ConfigurationError if it is no integer."""
        result = self.number(values)
        if not isinstance(result, int):
            raise ConfigurationError(f"{self.key}={self.text!r}: {result} is no integer; // divides integers")
        return result


@dataclass(frozen=True, slots=True)
class Piece:
    """The piece of a tensor for a task: a name, and an index for each of its first axes."""

    text: str
    key: str
    tensor: str
    axes: tuple[_Axis, ...]

    def index(self, shape: Sequence[int], values: Mapping[str, float]) -> tuple[int | slice, ...] | None:
        """An index for a tensor of this shape; None if a ``part`` is empty, so that there is no task.

        Raises:
            ConfigurationError: more axes than the tensor has, or an index outside it.
        """
        if len(self.axes) > len(shape):
            raise ConfigurationError(f"{self.key}={self.text!r}: {self.tensor} has {len(shape)} axes, not more")
        found: list[int | slice] = []
        for axis, extent in zip(self.axes, shape, strict=False):
            at = axis.index(extent, values)
            if at is None:
                return None
            begin, end = (at.start, at.stop) if isinstance(at, slice) else (at, at + 1)
            if not 0 <= begin <= end <= extent or (not isinstance(at, slice) and at >= extent):
                said = f"{begin}:{end}" if isinstance(at, slice) else str(at)
                raise ConfigurationError(
                    f"{self.key}={self.text!r}: {said} is outside of an axis of {extent} ({_shown(values)})"
                )
            found.append(at)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class _Axis:
    """``i``, ``a:b`` or ``part(i, n)``: piece ``i`` of ``n`` contiguous ones whose sizes differ by at most one."""

    kind: str
    first: Expression | None
    second: Expression | None

    def index(self, extent: int, values: Mapping[str, float]) -> int | slice | None:
        first = self.first.integer(values) if self.first else 0
        if self.kind == "at":
            return first
        second = self.second.integer(values) if self.second else extent
        if self.kind == "range":
            return slice(first, second)
        assert self.first is not None
        if second < 1 or not 0 <= first < second:
            raise ConfigurationError(
                f"{self.first.key}={self.first.text!r}: part({first}, {second}): the first must be 0 or more and less "
                f"than the second ({_shown(values)})"
            )
        size, larger = divmod(extent, second)
        begin = first * size + min(first, larger)
        end = begin + size + (first < larger)
        return slice(begin, end) if end > begin else None


def parse_expression(value: object, key: str, names: Collection[str]) -> Expression:
    """An expression over ``names``. Raises ConfigurationError."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ConfigurationError(f"{key}={value!r}: a number, or an expression of {_SAID}")
    text = str(value)
    return _expression(_parsed(text, key).body, text, key, names)


def parse_piece(value: object, key: str, tensors: Collection[str], names: Collection[str]) -> Piece:
    """``tensor`` or ``tensor[index, ...]``. Raises ConfigurationError."""
    if not isinstance(value, str):
        raise ConfigurationError(f"{key}={value!r}: a tensor's name, or name[index, ...]")
    tree = _parsed(value, key).body
    indices: list[ast.expr] = []
    if isinstance(tree, ast.Subscript):
        indices = tree.slice.elts if isinstance(tree.slice, ast.Tuple) else [tree.slice]
        tree = tree.value
    if not isinstance(tree, ast.Name):
        raise ConfigurationError(f"{key}={value!r}: a tensor's name, or name[index, ...]")
    if tree.id not in tensors:
        hint = near(tree.id, tensors) or f"; declared are {', '.join(tensors) or 'none'}"
        raise ConfigurationError(f"{key}={value!r}: no tensor {tree.id!r}{hint}")
    return Piece(value, key, tree.id, tuple(_axis(index, value, key, names) for index in indices))


def _axis(tree: ast.expr, text: str, key: str, names: Collection[str]) -> _Axis:
    if isinstance(tree, ast.Slice):
        if tree.step is not None:
            raise ConfigurationError(f"{key}={text!r}: a range has no step: begin:end")
        ends = [_expression(end, text, key, names) if end else None for end in (tree.lower, tree.upper)]
        return _Axis("range", *ends)
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id == _PART:
        if len(tree.args) != 2 or tree.keywords:
            raise ConfigurationError(f"{key}={text!r}: part(i, n) is piece i of n")
        return _Axis("part", *(_expression(argument, text, key, names) for argument in tree.args))
    return _Axis("at", _expression(tree, text, key, names), None)


def _parsed(text: str, key: str) -> ast.Expression:
    try:
        return ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ConfigurationError(f"{key}={text!r}: cannot be read; allowed are {_SAID}") from None


def _expression(tree: ast.expr, text: str, key: str, names: Collection[str]) -> Expression:
    functions = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        number = not isinstance(node, ast.Constant) or type(node.value) in (int, float)
        call = not isinstance(node, ast.Call) or (
            isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS and node.args and not node.keywords
        )
        if not isinstance(node, _ALLOWED) or not number or not call:
            raise ConfigurationError(f"{key}={text!r}: allowed are {_SAID}")
        if isinstance(node, ast.Name) and node not in functions and node.id not in names:
            if node.id == NODES:
                raise ConfigurationError(f"{key}={text!r}: this topology has no nodes; choose one, +topology=pod")
            hint = near_or_all(node.id, names)
            raise ConfigurationError(f"{key}={text!r}: no size or loop variable {node.id!r}{hint}")
    try:
        code = compile(ast.Expression(tree), "<config>", "eval")
    except (RecursionError, MemoryError, OverflowError):
        raise ConfigurationError(f"{key}={text!r}: too deeply nested") from None
    return Expression(text, key, code)


def _shown(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())
