"""The configuration's schema as a document: for people as annotated YAML, for editors as JSON Schema."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
import types
from collections.abc import Mapping
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

from pipeline.config.keys import keys_of
from pipeline.config.schema import (
    ChipCallableConfig,
    ChipModelConfig,
    Config,
    EngineConfig,
    KernelConfig,
    LevelConfig,
    PythonCallableConfig,
    TaskCostConfig,
    WorkerConfig,
)
from pipeline.config.workload_schema import (
    DeclaredWorkloadConfig,
    TaskConfig,
    TensorConfig,
)
from runtime.options import WorkerOptions

_PLAIN = {int: "integer", float: "number", str: "string", bool: "boolean"}
_DEFINITIONS: dict[str, type[Any]] = {
    "chip_model": ChipModelConfig,
    "engine": EngineConfig,
    "task": TaskConfig,
    "task_cost": TaskCostConfig,
    "tensor": TensorConfig,
    "topology": LevelConfig,
    "workload": DeclaredWorkloadConfig,
}
"""The dataclasses with their own schema under ``$defs``: those of the kinds of files in conf/, and those that occur in
several places."""
_DEFAULTS = {"type": "array", "items": {"type": ["object", "string"]}}


def schema_text() -> str:
    """Every key with its default and description, as YAML."""
    said = ["# Every key of a run, with its default. Set one with key=value, or in a config of your own.", ""]
    said += _yaml(Config, "")
    for title, kind in (
        ("a chip callable: one file of callable/", ChipCallableConfig),
        ("a kernel of a chip callable", KernelConfig),
        ("a Python callable: one file of callable/", PythonCallableConfig),
        ("a chip model: one file of chip_model/", ChipModelConfig),
        ("the costs of a callable in a chip model", TaskCostConfig),
        ("a workload: one file of workload/", DeclaredWorkloadConfig),
        ("a tensor of a workload", TensorConfig),
        ("a task of a workload", TaskConfig),
    ):
        said += ["", f"# Keys of {title}", "", *(f"# {line}" for line in _yaml(kind, ""))]
    return "\n".join(said) + "\n"


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the whole configuration, with the schemas of single files under ``$defs``."""
    document = _object(Config)
    definitions = {name: _object(kind) for name, kind in _DEFINITIONS.items()}
    definitions["callable"] = {"anyOf": [_object(ChipCallableConfig), _object(PythonCallableConfig)]}
    topology, workload = definitions["topology"]["properties"], definitions["workload"]
    workloads = "Other configs, and the workload for this topology: override /workload@_global_.workload."
    topology["defaults"] = {**_DEFAULTS, "description": workloads}
    composed = {"defaults": {**_DEFAULTS, "description": "Callables that the workload composes, and other configs."}}
    workload["properties"] = {**composed, **workload["properties"]}
    # The settings of a program are not known here: with ``program``, every key is allowed.
    del workload["additionalProperties"]
    workload |= {"if": {"required": ["program"]}, "else": {"propertyNames": {"enum": list(workload["properties"])}}}
    header = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Callring"}
    return {**header, **document, "$defs": definitions}


def documentation(kind: type[Any]) -> dict[str, str]:
    """The description of each key: the field's docstring, else that of its type; empty if there is neither."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(tree, ast.ClassDef)
    inherited = (
        documentation(kind.__base__) if kind.__base__ is not None and dataclasses.is_dataclass(kind.__base__) else {}
    )
    said: dict[str, str] = {}
    name = ""
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id.removesuffix("_")
            said[name] = ""
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and name:
            said[name] = " ".join(str(node.value.value).split())
    if kind is WorkerConfig:
        options = documentation(WorkerOptions)
        said = {name: options[name] for name in said}
    hints = get_type_hints(kind)
    for name, field in keys_of(kind).items():
        hint = hints[field.name]
        if name in inherited:
            said[name] = inherited[name]
        elif not said[name] and inspect.isclass(hint):
            whole = " ".join(str(inspect.getdoc(hint)).split())
            said[name] = whole if issubclass(hint, Enum) else _first_sentence(hint)
        else:
            said[name] += _range(field.metadata)
    return {name: said[name] for name in keys_of(kind)}


def _range(schema: Mapping[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if most is not None:
        return f" {least} to {most}."
    if least is not None:
        return f" At least {least}."
    return f" More than {schema['exclusiveMinimum']}." if "exclusiveMinimum" in schema else ""


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def _yaml(kind: type[Any], indent: str) -> list[str]:
    said = documentation(kind)
    lines: list[str] = []
    for name, field in keys_of(kind).items():
        value = _default(field)
        nested = dataclasses.is_dataclass(value) and not isinstance(value, type)
        words = said[name]
        if isinstance(value, Enum):
            words = f"{words} One of {', '.join(member.name for member in type(value))}."
        if "enum" in field.metadata:
            words = f"{words} One of {', '.join(option or 'empty' for option in field.metadata['enum'])}."
        lines += [f"{indent}# {line}" for line in textwrap.wrap(words.replace("``", ""), 100)]
        if nested:
            lines += [f"{indent}{name}:", *_yaml(type(value), f"{indent}  ")]
        else:
            lines.append(f"{indent}{name}: {_shown(value)}")
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
    for name, field in keys_of(kind).items():
        schema = _type(hints[field.name]) | field.metadata
        if said[name]:
            schema["description"] = said[name]
        default = _default(field)
        if isinstance(default, Enum):
            schema["default"] = default.name
        elif not dataclasses.is_dataclass(default) and default is not None:
            schema["default"] = default
        properties[name] = schema
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
    if hint in _DEFINITIONS.values():
        return {"$ref": f"#/$defs/{next(name for name, kind in _DEFINITIONS.items() if kind is hint)}"}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _object(hint)
    inner = get_args(hint)
    if get_origin(hint) is list:
        return {"type": "array", "items": _type(inner[0])}
    if get_origin(hint) is dict:
        return {"type": "object", "additionalProperties": _type(inner[1])}
    if get_origin(hint) in (Union, types.UnionType):
        members = [_type(member) for member in inner]
        plain = all(set(member) == {"type"} for member in members)
        return {"type": [member["type"] for member in members]} if plain else {"anyOf": members}
    return {"type": "null"} if hint is type(None) else {}
