"""The packages that contain the programs and libraries that Callring needs, and the commands that install them."""

from __future__ import annotations

import shutil
from typing import NamedTuple


class _Names(NamedTuple):
    debian: str
    fedora: str
    homebrew: str


_PACKAGES = {
    "g++": _Names("g++", "gcc-c++", "gcc"),
    "gcc": _Names("gcc", "gcc", "gcc"),
    "cmake": _Names("cmake", "cmake", "cmake"),
    "ninja": _Names("ninja-build", "ninja-build", "ninja"),
    "ccache": _Names("ccache", "ccache", "ccache"),
    "libasan.so": _Names("g++", "libasan", "gcc"),
    "libtsan.so": _Names("g++", "libtsan", "gcc"),
}
_INSTALLERS = {"apt-get": "debian", "dnf": "fedora", "brew": "homebrew"}


def not_installed(program: str) -> str:
    """An error's text: the missing program, and the commands that install it on Debian, on Fedora and with Homebrew."""
    names = _PACKAGES[program]
    return (
        f"{program} is not installed: apt-get install {names.debian} (Debian, Ubuntu), dnf install {names.fedora} "
        f"(Fedora) or brew install {names.homebrew} (Homebrew)"
    )


def install_line(program: str) -> str:
    """The command that installs the package with this machine's tool; without such a tool, all three commands."""
    names = _PACKAGES[program]
    lines = {tool: f"{tool} install {getattr(names, system)}" for tool, system in _INSTALLERS.items()}
    here = [line for tool, line in lines.items() if shutil.which(tool)]
    return here[0] if here else " or ".join(lines.values())
