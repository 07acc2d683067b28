"""Tables of the configuration, made from code and configs; tests/docs/reference.py puts them into pages.

``config_schema`` documents one dataclass of pipeline.config.schema: keys, types, defaults, and the words behind each
field. ``workload_schema_of`` documents a part of what a workload may declare, from its JSON schema. ``config_groups``
lists the options of every config group with the comment at the top of each file.
"""

import dataclasses
import enum
import inspect
from typing import Any, get_type_hints

from pipeline.admin.schema_document import documentation
from pipeline.config import schema
from pipeline.workloads.schema import task_schema, workload_schema
from tests.docs.blocks import DOCS

_CONF = DOCS.parent / "conf"


def config_schema(name):
    """A table of the keys of one dataclass of pipeline.config.schema, and one for each dataclass among its fields."""
    return _tables(getattr(schema, name), "")


def _tables(described, prefix):
    words = documentation(described)
    hints = get_type_hints(described, vars(schema))
    lines = ["| key | type | default | what it is |", "| --- | --- | --- | --- |"]
    sections = []
    for field in dataclasses.fields(described):
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint):
            title = f"**`{field.name}`**: {(inspect.getdoc(hint) or '').splitlines()[0]}"
            sections += ["", title, "", *_tables(hint, f"{prefix}{field.name}.")]
            continue
        row = (f"`{prefix}{field.name}`", _type(hint), _default(field), words[field.name])
        lines.append(f"| {' | '.join(cell.replace('``', '`').replace('|', chr(92) + '|') for cell in row)} |")
    return lines + sections


def workload_schema_of(part):
    """A table of the keys of a workload, of its ``tensors``, of a ``task``, or of ``verify``."""
    workload = workload_schema()
    keys = workload["properties"]
    parts = {
        "workload": workload,
        "tensors": keys["tensors"]["additionalProperties"],
        "task": task_schema(),
        "verify": keys["verify"],
    }
    lines = ["| key | type | what it is |", "| --- | --- | --- |"]
    for key, described in parts[part]["properties"].items():
        lines.append(f"| `{key}` | {_json_type(described)} | {described['description']} |")
    return lines


def _json_type(described):
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


def config_groups():
    """A table for each config group."""
    lines = []
    for group in sorted(path for path in _CONF.iterdir() if path.is_dir()):
        lines += ["", f"**`{group.name}/`**", "", "| option | what it is |", "| --- | --- |"]
        lines += [f"| `{file.stem}` | {_comment(file)} |" for file in sorted(group.glob("*.yaml"))]
    return lines[1:]


def _is_enum(hint):
    return isinstance(hint, type) and issubclass(hint, enum.Enum)


def _type(hint):
    if _is_enum(hint):
        return ", ".join(f"`{member.value}`" for member in hint)
    if hint is Any:
        return "any"
    return f"`{hint.__name__ if type(hint) is type else _short(hint)}`"


def _short(hint):
    return str(hint).replace("pipeline.config.schema.", "").replace("typing.", "")


def _default(field):
    value = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    if isinstance(value, enum.Enum):
        value = value.value
    return "none" if value is None else '`""`' if value == "" else f"`{value}`"


def _comment(file):
    lines = [line[1:].strip() for line in file.read_text().splitlines() if line.startswith("#")]
    return " ".join(lines)
