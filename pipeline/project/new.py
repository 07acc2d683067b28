"""Writes a project: a folder in which plain ``callring`` builds, runs and verifies a kernel of its own."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from pipeline.config.tree import CONF
from pipeline.project.here import CONFIGS, PRIMARY
from runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

_TEMPLATE = Path(__file__).resolve().parent / "template"
_FILES = {
    f"{CONFIGS}/{PRIMARY}": (PRIMARY, "what plain callring runs here"),
    f"{CONFIGS}/workload/$name.yaml": ("workload.yaml", "tensors, tasks, how often, and what is right"),
    f"{CONFIGS}/callable/$name.yaml": ("callable.yaml", "that the kernel exists"),
    "$name.cpp": ("kernel.cpp", "the kernel"),
    "golden.py": ("golden.py", "what it is to compute, in NumPy"),
    "test_$name.py": ("test.py", "the same as a test: pytest"),
    ".gitignore": ("gitignore", "leaves out what runs leave behind"),
}
"""By what to write: the template, and what it is."""


def write_project(folder: Path) -> Iterator[tuple[Path, str]]:
    """Writes the files of a project. Gives each with what it is, once it is written.

    Args:
        folder: to be made, or empty; its name is that of the workload and its kernel.

    Raises:
        ConfigurationError: a name that cannot be one, or a folder that cannot be written or has something in it.
    """
    name = folder.name
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ConfigurationError(f"new {folder}: a name of small letters, digits and underscores, a letter first")
    taken = [group for group in ("workload", "callable") if (CONF / group / f"{name}.yaml").exists()]
    if taken:
        raise ConfigurationError(f"new {folder}: Callring has a {taken[0]} of this name; take another")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigurationError(f"new {folder}: this folder is not empty; give another name")
        for path, (template, words) in _FILES.items():
            file = folder / path.replace("$name", name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(Template((_TEMPLATE / f"{template}.template").read_text()).substitute(name=name))
            yield file, words
    except OSError as error:
        raise ConfigurationError(f"new {folder}: {error.strerror}: {error.filename}") from None
