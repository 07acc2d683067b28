"""Sphinx directives that write the reference of the configuration from the code and the configs themselves.

``config-schema`` documents one dataclass of pipeline.config.schema: keys, types, defaults, and the words behind each
field.
``workload-schema`` documents a part of what a workload may declare, from its JSON schema.
``config-groups`` lists the options of every config group with the comment at the top of each file.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from sphinx.util.docutils import SphinxDirective

from pipeline.config import schema
from pipeline.workloads.schema import task_schema, workload_schema

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx

_CONF = Path(__file__).resolve().parents[2] / "conf"


class ConfigSchema(SphinxDirective):
    """A table of the keys of one dataclass of pipeline.config.schema, and one for each dataclass among its fields."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The tables."""
        return self.parse_text_to_nodes("\n".join(_tables(getattr(schema, self.arguments[0]), "")))


def _tables(described: type[Any], prefix: str) -> list[str]:
    words = _field_docstrings(described)
    hints = get_type_hints(described, vars(schema))
    lines = ["| key | type | default | what it is |", "| --- | --- | --- | --- |"]
    sections = []
    for field in dataclasses.fields(described):
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint):
            title = f"**`{field.name}`**: {(inspect.getdoc(hint) or '').splitlines()[0]}"
            sections += ["", title, "", *_tables(hint, f"{prefix}{field.name}.")]
            continue
        said = words.get(field.name) or (inspect.getdoc(hint) if _is_enum(hint) else "") or ""
        row = (f"`{prefix}{field.name}`", _type(hint), _default(field), " ".join(said.split()))
        lines.append(f"| {' | '.join(cell.replace('``', '`').replace('|', chr(92) + '|') for cell in row)} |")
    return lines + sections


class WorkloadSchema(SphinxDirective):
    """A table of the keys of a workload, of its ``tensors``, of a ``task``, or of ``verify``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The table."""
        workload = workload_schema()
        keys = workload["properties"]
        parts = {
            "workload": workload,
            "tensors": keys["tensors"]["additionalProperties"],
            "task": task_schema(),
            "verify": keys["verify"],
        }
        lines = ["| key | type | what it is |", "| --- | --- | --- |"]
        for key, described in parts[self.arguments[0]]["properties"].items():
            lines.append(f"| `{key}` | {_json_type(described)} | {described['description']} |")
        return self.parse_text_to_nodes("\n".join(lines))


def _json_type(described: dict[str, Any]) -> str:
    """A JSON schema's type in words."""
    if "$ref" in described:
        return f"a {described['$ref'].rpartition('/')[2]}"
    if "enum" in described:
        return ", ".join(f"`{value}`" for value in described["enum"])
    kind = described["type"]
    if kind == "array":
        return f"list of {_json_type(described['items']).removeprefix('a ')}s"
    if kind == "object":
        return "mapping"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


class ConfigGroups(SphinxDirective):
    """A table for each config group."""

    def run(self) -> list[nodes.Node]:
        """The tables."""
        lines = []
        for group in sorted(path for path in _CONF.iterdir() if path.is_dir()):
            lines += ["", f"**`{group.name}/`**", "", "| option | what it is |", "| --- | --- |"]
            lines += [f"| `{file.stem}` | {_comment(file)} |" for file in sorted(group.glob("*.yaml"))]
        return self.parse_text_to_nodes("\n".join(lines))


def _field_docstrings(described: type[Any]) -> dict[str, str]:
    """The string behind each field, which Python itself does not keep."""
    (body,) = ast.parse(inspect.getsource(described)).body
    assert isinstance(body, ast.ClassDef)
    words = {}
    for field, behind in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(behind, ast.Expr):
            words[field.target.id] = str(ast.literal_eval(behind.value))
    return words


def _is_enum(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, enum.Enum)


def _type(hint: Any) -> str:
    if _is_enum(hint):
        return ", ".join(f"`{member.value}`" for member in hint)
    if hint is Any:
        return "any"
    return f"`{hint.__name__ if type(hint) is type else _short(hint)}`"


def _short(hint: Any) -> str:
    return str(hint).replace("pipeline.config.schema.", "").replace("typing.", "")


def _default(field: dataclasses.Field[Any]) -> str:
    value = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    if isinstance(value, enum.Enum):
        value = value.value
    return "none" if value is None else '`""`' if value == "" else f"`{value}`"


def _comment(file: Path) -> str:
    lines = [line[1:].strip() for line in file.read_text().splitlines() if line.startswith("#")]
    return " ".join(lines)


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the directives."""
    app.add_directive("config-schema", ConfigSchema)
    app.add_directive("workload-schema", WorkloadSchema)
    app.add_directive("config-groups", ConfigGroups)
    return {"parallel_read_safe": True}
