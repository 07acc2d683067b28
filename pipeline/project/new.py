"""Writes a project: a folder in which plain ``callring`` builds, runs and verifies a kernel."""

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
    f"{CONFIGS}/{PRIMARY}": (PRIMARY, "the primary config: what callring runs here"),
    f"{CONFIGS}/workload/$name.yaml": ("workload.yaml", "the workload: tensors, tasks, verification"),
    f"{CONFIGS}/callable/$name.yaml": ("callable.yaml", "the declaration of the kernel"),
    "$name.cpp": ("kernel.cpp", "the kernel"),
    "golden.py": ("golden.py", "the expected result, in NumPy"),
    "test_$name.py": ("test.py", "a test, for pytest"),
    ".gitignore": ("gitignore", "ignores the output of runs"),
}
"""The template and the description of each file."""


def write_project(folder: Path) -> Iterator[tuple[Path, str]]:
    """Writes the files of a project. Yields each file with its description, once it is written.

    Args:
        folder: a new or empty folder; its name is also the name of the workload and the kernel.

    Raises:
        ConfigurationError: an invalid name, or a folder that cannot be written or is not empty.
    """
    name = folder.name
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ConfigurationError(
            f"new {folder}: a name begins with a small letter, and has only small letters, digits and underscores"
        )
    taken = [group for group in ("workload", "callable") if (CONF / group / f"{name}.yaml").exists()]
    if taken:
        raise ConfigurationError(f"new {folder}: Callring has a {taken[0]} of this name; choose another name")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigurationError(f"new {folder}: this folder is not empty; choose another name")
        for path, (template, words) in _FILES.items():
            file = folder / path.replace("$name", name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(Template((_TEMPLATE / f"{template}.template").read_text()).substitute(name=name))
            yield file, words
    except OSError as error:
        raise ConfigurationError(f"new {folder}: {error.strerror}: {error.filename}") from None
