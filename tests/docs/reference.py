"""``python -m tests.docs.reference`` regenerates the generated parts of the reference pages.

A generated part lies between ``<!-- made: WHAT ARGUMENT... -->`` and ``<!-- end -->``, which are invisible to readers.
"""

import ast
import re
import tomllib

from tests.docs.api import documented
from tests.docs.blocks import DOCS, pages
from tests.docs.config_tables import config_groups, config_schema, plugin_keys, workload_schema_of

_PART = re.compile(r"(<!-- made: ([\w.-]+) ?([^>]*?) -->\n).*?(^<!-- end -->$)", flags=re.MULTILINE | re.DOTALL)


def main():
    """Writes every page that has a generated part."""
    for page in pages():
        text = page.read_text()
        made = regenerated(text)
        if made != text:
            page.write_text(made)


def regenerated(text):
    """The text of a page with its generated parts regenerated."""

    def make(part):
        begin, what, argument, end = part.groups()
        lines = _MAKERS[what](*argument.split())
        return f"{begin}\n" + "\n".join(lines).strip("\n") + f"\n\n{end}"

    return _PART.sub(make, text)


def _api(*names):
    return [line for name in names for line in documented(name)]


def _header():
    """The header that kernels include, unchanged."""
    return ["```c", *(DOCS.parent / "native" / "include" / "callring" / "chip.h").read_text().splitlines(), "```"]


def _rooms(package):
    """Folders and modules of a package from the top layer down, each with the first words of its docstring."""
    root = DOCS.parent
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (each["layers"] for each in contracts if each.get("containers") == [package])
    lines = ["| folder or module | what is in it |", "| --- | --- |"]
    for name in " | ".join(layers).split(" | "):
        folder = root / package / name
        source = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
        words = (ast.get_docstring(ast.parse(source.read_text())) or "").partition("\n\n")[0]
        shown = f"{name}/" if folder.is_dir() else source.name
        lines.append(f"| `{shown}` | {' '.join(words.split()).replace('``', '`').rstrip('.:')} |")
    return lines


_MAKERS = {
    "api": _api,
    "config-schema": config_schema,
    "plugin-keys": plugin_keys,
    "workload-schema": workload_schema_of,
    "config-groups": config_groups,
    "header": _header,
    "rooms": _rooms,
}

if __name__ == "__main__":
    main()
