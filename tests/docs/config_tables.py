"""Tables of the configuration, made from code and configs; tests/docs/reference.py puts them into pages.

``config_schema`` documents one dataclass of pipeline.config.schema: keys, types, defaults, and the description after
each field. ``workload_schema_of`` documents a part of what a workload may declare, from its JSON schema.
``config_groups`` lists the options of every config group with the comment at the top of each file.
"""

import dataclasses
import enum
import inspect
from typing import Any, get_type_hints

from pipeline.admin.schema_document import documentation, json_schema
from pipeline.config import schema
from pipeline.sweep import plugins
from tests.docs.blocks import DOCS

_CONF = DOCS.parent / "conf"


def config_schema(name):
    """Tables of the keys of a dataclass of pipeline.config.schema and of each dataclass among its fields."""
    return _tables(getattr(schema, name), "")


def plugin_keys(name, prefix):
    """A table of the keys of a dataclass of pipeline.sweep.plugins."""
    return _tables(getattr(plugins, name), f"{prefix}.")


def _tables(described, prefix):
    words = documentation(described)
    hints = get_type_hints(described)
    lines = ["| key | type | default | what it is |", "| --- | --- | --- | --- |"]
    sections = []
    for field in dataclasses.fields(described):
        if field.name.startswith("_"):
            continue
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint):
            title = f"**`{field.name}`**: {(inspect.getdoc(hint) or '').splitlines()[0]}"
            sections += ["", title, "", *_tables(hint, f"{prefix}{field.name}.")]
            continue
        options = ", ".join(f"`{option}`" for option in field.metadata.get("enum", ()) if option)
        row = (f"`{prefix}{field.name}`", options or _type(hint), _default(field), words[field.name])
        lines.append(f"| {' | '.join(_cell(text) for text in row)} |")
    return lines + sections


def _cell(text):
    return text.replace("``", "`").replace("|", "\\|")


def workload_schema_of(part):
    """A table of the keys of a ``workload``, of a ``tensor``, of a ``task``, or of ``verify``."""
    lines = ["| key | type | what it is |", "| --- | --- | --- |"]
    definitions = json_schema()["$defs"]
    of_part = definitions.get(part) or definitions["workload"]["properties"][part]
    for key, described in of_part["properties"].items():
        row = (f"`{key}`", _json_type(described), described["description"])
        lines.append(f"| {' | '.join(_cell(text) for text in row)} |")
    return lines


def _json_type(described):
    """A JSON schema's type in words."""
    if "$ref" in described:
        return f"a {described['$ref'].rpartition('/')[2]}"
    if "anyOf" in described:
        return " or ".join(map(_json_type, described["anyOf"]))
    if "enum" in described:
        return ", ".join(f"`{value}`" for value in described["enum"])
    kind = described["type"]
    kinds = ["mapping" if name == "object" else name for name in (kind if isinstance(kind, list) else [kind])]
    if kind == "array":
        return f"list of {_json_type(described['items']).removeprefix('a ')}s"
    return " or ".join(kinds)


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
    lines = [line for line in lines if not line.startswith("@package")]
    return " ".join(lines)
