"""Which package brings a program that is not installed, by the tools that install packages."""

from __future__ import annotations

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
}


def not_installed(program: str) -> str:
    """The words for an error: what is missing, and what installs it on Debian, Fedora and with Homebrew."""
    names = _PACKAGES[program]
    return (
        f"{program} is not installed: apt-get install {names.debian} (Debian, Ubuntu), dnf install {names.fedora} "
        f"(Fedora) or brew install {names.homebrew} (Homebrew)"
    )
