"""The two set-up lines of the README: the first runs the main job, the second the tests."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def lines() -> list[str]:
    """Both lines, in the order of the README."""
    return [line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("SUDO=")]
