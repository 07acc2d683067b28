"""Numbers of things in words."""

from __future__ import annotations


def count_of(number: int, one: str, more: str = "") -> str:
    """``"1 chip"``, ``"2 chips"``; ``more`` is the plural where it is not ``one`` and an s."""
    return f"{number} {one if number == 1 else more or one + 's'}"
