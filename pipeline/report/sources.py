"""The source of a callable, which a report shows beside a failed task."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pipeline.config.specs import PythonSpec
from pipeline.report.record import SourceRecord
from runtime.errors import ConfigurationError
from runtime.identity import module_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pipeline.config.specs import ChipSpec
    from pipeline.report.record import CallableRecord

_MOST_LINES = 400
"""Most lines of one file on a page."""


def with_sources(
    callables: Iterable[CallableRecord], specs: Iterable[ChipSpec | PythonSpec], flags: Sequence[str]
) -> list[CallableRecord]:
    """The callables with their sources.

    Args:
        callables: the callables of a run.
        specs: their declarations in the configuration.
        flags: the flags of the build, in addition to each chip callable's own.
    """
    by_name = {spec.name: spec for spec in specs}
    found = []
    for record in callables:
        spec = by_name[record.name]
        if isinstance(spec, PythonSpec):
            found.append(record._replace(sources=python_source(spec)))
        else:
            found.append(record._replace(sources=chip_sources(spec), flags=(*spec.flags, *flags)))
    return found


def chip_sources(spec: ChipSpec) -> list[SourceRecord]:
    """The readable files of a chip callable: that of its orchestration function, then those of its kernels."""
    files = {spec.source: spec.source_name} if spec.source is not None else {}
    files |= {kernel.source: kernel.source_name for kernel in spec.kernels}
    return [found for path, name in files.items() if (found := _file(path, name))]


def python_source(spec: PythonSpec) -> list[SourceRecord]:
    """The source of the function or class of a Python callable, without importing it; empty if it is not found."""
    module, _, qualname = spec.target.partition(":")
    try:
        path = module_file(module)
        text = path.read_text(encoding="utf-8")
        node: ast.AST = ast.parse(text)
    except (ConfigurationError, OSError, ValueError, SyntaxError):
        return []
    for name in qualname.split("."):
        inside = [child for child in ast.iter_child_nodes(node) if getattr(child, "name", None) == name]
        if not inside:
            return []
        node = inside[-1]
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    begin = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return [_shortened(path.name, begin, text.splitlines()[begin - 1 : node.end_lineno])]


def _file(path: Path, name: str) -> SourceRecord | None:
    try:
        return _shortened(name, 1, path.read_text(encoding="utf-8", errors="replace").splitlines())
    except OSError:
        return None


def _shortened(name: str, first_line: int, lines: list[str]) -> SourceRecord:
    return SourceRecord(name, first_line, "\n".join(lines[:_MOST_LINES]), max(0, len(lines) - _MOST_LINES))
