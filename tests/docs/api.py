"""Public classes and functions of the library as Markdown, from their sources: the same on every Python.

Classes of the native core are documented by its stubs (runtime/_core.pyi).
"""

import ast
import copy
import functools
import importlib
import inspect
import re
import textwrap
from enum import Enum

import runtime
from tests.docs.blocks import DOCS

_STUBS = DOCS.parent / "runtime" / "_core.pyi"
_WIDTH = 120
_QUALIFIED = re.compile(r"\b(runtime|typing|collections|numpy)\.(\w+\.)?(?=[A-Z])")
"""The prefix of names in the stubs."""
_SECTION = re.compile(r"(Args|Returns|Raises|Yields|Example):\s*(.*)")


def documented(name):
    """A class or function by its full name, as lines of Markdown that begin with a heading."""
    module, _, last = name.rpartition(".")
    value = getattr(importlib.import_module(module), last)
    node = _definition(value.__module__, value.__qualname__)
    if isinstance(node, ast.ClassDef):
        return _class(node, value)
    return [f"### `{last}`", "", *_signature(last, node), *_words(ast.get_docstring(node))]


def _definition(module, name):
    """The syntax node of a class or function, in the source that defines it; that may be another module than
    ``module``.
    """
    found = [node for node in _definitions(module.endswith("._core")) if node.name == name]
    assert len(found) == 1, f"{module}: {len(found)} definitions of {name}"
    return found[0]


@functools.cache
def _definitions(of_core):
    """Classes and functions at the top of the stubs of the core, or of the library's modules."""
    sources = [_STUBS] if of_core else sorted(_STUBS.parent.rglob("*.py"))
    nodes = [node for source in sources for node in ast.parse(source.read_text()).body]
    return [node for node in nodes if isinstance(node, (ast.ClassDef, ast.FunctionDef))]


def _class(node, value):
    lines = [f"### `{node.name}`", ""]
    made = next((member for member in _body(node, value) if getattr(member, "name", None) == "__init__"), None)
    bases = [base.__name__ for base in value.__mro__[1:] if _is_public(base)]
    if (
        made is not None and not bases and "_core." not in ast.unparse(made.args)
    ):  # other objects are made by Callring's own code
        lines += _signature(node.name, made)
    lines += _words(ast.get_docstring(node))
    if bases:
        lines += [f"It has all that `{bases[0]}` has.", ""]
    rows = _attributes(node, enumeration=issubclass(value, Enum))
    if rows:
        lines += ["| attribute | what it is |", "| --- | --- |", *rows, ""]
    for member in _members(node, value):
        if _is_property(member):
            lines += [f"#### `{node.name}.{member.name}`", "", *_words(ast.get_docstring(member))]
        else:
            lines += [f"#### `{node.name}.{member.name}()`", ""]
            lines += [*_signature(member.name, member), *_words(ast.get_docstring(member))]
    return lines


def _members(node, value):
    """Public methods and properties, in the order of the source; then those of private base classes."""
    found = {}
    for member in _body(node, value):
        if isinstance(member, ast.FunctionDef) and not member.name.startswith("_") and not _is_setter(member):
            found.setdefault(member.name, member)
    return found.values()


def _body(node, value):
    """The body of a class, followed by the bodies of its bases that are not public."""
    for base in value.__mro__:
        if base is value:
            yield from node.body
        elif base.__module__.startswith("runtime") and not _is_public(base):
            yield from _definition(base.__module__, base.__qualname__).body


def _is_public(kind):
    return kind.__name__ in runtime.__all__ and getattr(runtime, kind.__name__) is kind


def _decorators(member):
    return {ast.unparse(decorator) for decorator in member.decorator_list}


def _is_property(member):
    return bool({"property", "cached_property", "functools.cached_property"} & _decorators(member))


def _is_setter(member):
    return any(decorator.endswith(".setter") for decorator in _decorators(member))


def _attributes(node, *, enumeration):
    """A row for each field of a dataclass, and each member of an enumeration."""
    rows = []
    for field, behind in zip(node.body, [*node.body[1:], None], strict=True):
        said = isinstance(behind, ast.Expr) and isinstance(behind.value, ast.Constant)
        words = " ".join(str(behind.value.value).split()) if said else ""
        if isinstance(field, ast.AnnAssign) and not field.target.id.startswith("_"):
            default = "" if field.value is None else f" = {ast.unparse(field.value)}"
            shown = f"{field.target.id}: {ast.unparse(field.annotation)}{default}"
        elif enumeration and isinstance(field, ast.Assign):
            shown = f"{field.targets[0].id} = {ast.unparse(field.value)}"
        else:
            continue
        bars = shown.replace("|", chr(92) + "|")  # of an annotation such as int | None
        rows.append(f"| `{bars}` | {_plain(words)} |".replace("|  |", "| |"))
    return rows


def _signature(name, node):
    """The signature as a code block that the tests do not run."""
    arguments = copy.deepcopy(node.args)
    own = (arguments.posonlyargs + arguments.args)[:1]
    if own and own[0].arg in ("self", "cls"):
        (arguments.posonlyargs or arguments.args).pop(0)
    result = f" -> {ast.unparse(node.returns)}" if node.returns is not None and name == node.name else ""
    parts = [_QUALIFIED.sub("", part) for part in _arguments(arguments)]
    result = _QUALIFIED.sub("", result)
    shown = f"{name}({', '.join(parts)}){result}"
    if len(shown) > _WIDTH:
        shown = f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){result}"
    return ["```py", *shown.splitlines(), "```", ""]


def _arguments(arguments):
    """Each argument with its annotation and default, and the marks between them."""
    shown = []
    defaults = [None] * (len(arguments.args) - len(arguments.defaults)) + arguments.defaults
    for argument, default in zip(arguments.args, defaults, strict=True):
        shown.append(_argument(argument, default))
    if arguments.vararg:
        shown.append(f"*{ast.unparse(arguments.vararg)}")
    elif arguments.kwonlyargs:
        shown.append("*")
    shown += [_argument(*each) for each in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    return shown + ([f"**{ast.unparse(arguments.kwarg)}"] if arguments.kwarg else [])


def _argument(argument, default):
    return ast.unparse(argument) + ("" if default is None else f" = {ast.unparse(default)}")


def _words(docstring):
    """A Google-style docstring as Markdown."""
    if not docstring:
        return []
    lines = []
    section = None
    apart = re.sub(rf"(?m)^(?={_SECTION.pattern}$)", "\n", inspect.cleandoc(docstring))
    apart = re.sub(r"(?m)^( +\S.*\n)(?=\S)", r"\1\n", apart)  # after a section
    for block in re.split(r"\n\s*\n", apart):
        title, *rest = block.strip("\n").splitlines()
        opened = _SECTION.fullmatch(title)
        if opened is None:
            further = section in ("Args", "Raises") and block.startswith(" ")
            lines += [*(_entries(textwrap.dedent(block).splitlines(), section) if further else _filled(block)), ""]
            continue
        section, behind = opened.groups()
        if section == "Example":
            lines += ["```pycon", *textwrap.dedent("\n".join(rest)).splitlines(), "```", ""]
            continue
        lines += [f"**{'Arguments' if section == 'Args' else section}**", ""]
        body = textwrap.dedent("\n".join(rest)).splitlines()
        if section in ("Args", "Raises"):
            lines += [*_entries([behind, *body] if behind else body, section), ""]
        else:
            lines += [*_filled(" ".join([behind, *body])), ""]
    return lines


def _entries(body, section):
    """A list item for each line that is not indented; an indented line continues the item before it."""
    entries = []
    for line in body:
        if line.startswith(" ") and entries:
            entries[-1] += f" {line.strip()}"
        elif line.strip():
            entries.append(line.strip())
    if section == "Raises" and len(entries) > 1 and not entries[0].partition(" ")[0].endswith((":", ",")):
        entries = [" ".join(entries)]
    named = [re.sub(r"^([\w, *]+?): ", lambda name: f"`{name[1].replace(', ', '`, `')}`: ", entry) for entry in entries]
    return [line for entry in named for line in _filled(f"- {entry}", "  ")]


def _filled(text, indent=""):
    words = _plain(" ".join(text.split()))
    return textwrap.wrap(words, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _plain(words):
    return words.replace("``", "`")
