"""Numbers of things and durations as text."""

from __future__ import annotations


def count_of(number: int, one: str, more: str = "") -> str:
    """``"1 chip"``, ``"2 chips"``, ``"10,000 tasks"``; ``more`` is the plural if it is not ``one`` plus s."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def duration(seconds: float | None) -> str:
    """A measured duration: three digits and a unit; ``-`` for None."""
    if seconds is None:
        return "-"
    for factor, unit in ((1e9, "ns"), (1e6, "us"), (1e3, "ms"), (1, "s")):
        if seconds * factor < 999.5:
            return f"{_three_digits(seconds * factor)} {unit}"
    return f"{seconds:,.0f} s"


def _three_digits(number: float) -> str:
    if not number:
        return "0"
    return f"{number:#.3g}".removesuffix(".")


def whole_seconds(seconds: float) -> str:
    """An elapsed or estimated time: ``"12 s"``, ``"2 min 5 s"``, ``"3 h 20 min"``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
