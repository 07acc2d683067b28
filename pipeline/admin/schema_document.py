"""The configuration's schema as a document: for people as annotated YAML, for editors as JSON Schema."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
import types
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

from pipeline.config.schema import (
    ChipCallableConfig,
    ChipModelConfig,
    Config,
    KernelConfig,
    PythonCallableConfig,
    TaskCostConfig,
    TopologyConfig,
    WorkerConfig,
)
from pipeline.workloads.schema import task_schema, workload_schema
from runtime.options import WorkerOptions

_PLAIN = {int: "integer", float: "number", str: "string", bool: "boolean"}
_FILES = {
    "callable": (ChipCallableConfig, PythonCallableConfig),
    "chip_model": (ChipModelConfig,),
    "topology": (TopologyConfig,),
}
"""Files of conf/ that have a schema of their own, under ``$defs``."""


def schema_text() -> str:
    """Every key with its default and what it means, as YAML."""
    said = ["# Every key of a run, with its default. Set one with key=value, or in a config of your own.", ""]
    said += _yaml(Config, "")
    for title, kind in (
        ("a chip callable: one file of callable/", ChipCallableConfig),
        ("a kernel of a chip callable", KernelConfig),
        ("a Python callable: one file of callable/", PythonCallableConfig),
        ("a chip model: one file of chip_model/", ChipModelConfig),
        ("what a callable costs in it", TaskCostConfig),
    ):
        said += ["", f"# Keys of {title}", "", *(f"# {line}" for line in _yaml(kind, ""))]
    return "\n".join(said) + "\n"


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the whole configuration; of single files under ``$defs``."""
    document = _object(Config)
    definitions: dict[str, Any] = {
        name: {"anyOf": [_object(kind) for kind in kinds]} if len(kinds) > 1 else _object(kinds[0])
        for name, kinds in _FILES.items()
    }
    definitions["topology"]["properties"]["defaults"] = {
        "type": "array",
        "items": {"type": ["object", "string"]},
        "description": "Other configs, and the workload for this topology: override /workload@_global_.workload.",
    }
    definitions["topology"]["properties"]["count"] = {
        "type": "integer",
        "minimum": 1,
        "default": 1,
        "description": "How many like this there are below their parent.",
    }
    definitions["topology"]["properties"]["children"]["items"] = {"$ref": "#/$defs/topology"}
    definitions["chip_model"]["properties"]["costs"]["additionalProperties"] = _object(TaskCostConfig)
    document["properties"]["chip_model"]["anyOf"][0] = {"$ref": "#/$defs/chip_model"}
    definitions |= {"workload": workload_schema(), "task": task_schema()}
    document["properties"]["workload"] = {"$ref": "#/$defs/workload"}
    header = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Callring"}
    return {**header, **document, "$defs": definitions}


def documentation(kind: type[Any]) -> dict[str, str]:
    """What the docstring below each field says, by field, or that of its enumeration; empty where there is none."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(tree, ast.ClassDef)
    said: dict[str, str] = {}
    name = ""
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
            said[name] = ""
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and name:
            said[name] = " ".join(str(node.value.value).split())
    if kind is WorkerConfig:
        options = documentation(WorkerOptions)
        said = {name: options[name] for name in said}
    for name, hint in get_type_hints(kind).items():
        if not said[name] and inspect.isclass(hint) and issubclass(hint, Enum):
            said[name] = " ".join(str(inspect.getdoc(hint)).split())
    return said


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def _yaml(kind: type[Any], indent: str) -> list[str]:
    said = documentation(kind)
    lines: list[str] = []
    for field in dataclasses.fields(kind):
        value = _default(field)
        nested = dataclasses.is_dataclass(value) and not isinstance(value, type)
        words = said[field.name] or (_first_sentence(type(value)) if nested else "")
        if isinstance(value, Enum):
            words = f"{words} One of {', '.join(member.name for member in type(value))}."
        lines += [f"{indent}# {line}" for line in textwrap.wrap(words.replace("``", ""), 100)]
        if nested:
            lines += [f"{indent}{field.name}:", *_yaml(type(value), f"{indent}  ")]
        else:
            lines.append(f"{indent}{field.name}: {_shown(value)}")
    return lines


def _first_sentence(kind: type[Any]) -> str:
    return " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split())


def _shown(value: Any) -> str:
    if isinstance(value, Enum):
        return f"{value.name!r}" if value.name in ("off", "on", "yes", "no") else value.name
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return '""' if value == "" else str(value)


def _object(kind: type[Any]) -> dict[str, Any]:
    said, hints = documentation(kind), get_type_hints(kind)
    properties = {}
    for field in dataclasses.fields(kind):
        schema = _type(hints[field.name])
        if said[field.name]:
            schema["description"] = said[field.name]
        default = _default(field)
        if isinstance(default, Enum):
            schema["default"] = default.name
        elif not dataclasses.is_dataclass(default) and default is not None:
            schema["default"] = default
        properties[field.name] = schema
    return {
        "type": "object",
        "description": _first_sentence(kind),
        "properties": properties,
        "additionalProperties": False,
    }


def _type(hint: Any) -> dict[str, Any]:
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if inspect.isclass(hint) and issubclass(hint, Enum):
        return {"enum": [member.name for member in hint]}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _object(hint)
    if get_origin(hint) is list:
        return {"type": "array", "items": _type(get_args(hint)[0])}
    if get_origin(hint) is dict:
        return {"type": "object"}
    if get_origin(hint) in (Union, types.UnionType):
        return {"anyOf": [_type(member) for member in get_args(hint)]}
    return {"type": "null"} if hint is type(None) else {}
