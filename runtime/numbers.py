"""Checks the numbers that users give: one rule for all integers, and one for all durations.

An integer is any value that Python accepts as an index (``int``, NumPy's integers). A duration is a finite number of
seconds. ``True`` is neither. No value is silently rounded, clipped or made infinite.
"""

from __future__ import annotations

import math
import operator
from typing import Any

from runtime.errors import ConfigurationError

LONGEST_SECONDS = 1e9
"""The longest duration: 31 years."""
SHORTEST_SECONDS = 1e-6
"""The shortest duration that a limit may have."""


def integer(name: str, value: Any, least: int, most: int, unit: str = "") -> int:
    """``value`` as an int from ``least`` to ``most``. Raises ConfigurationError with name and range."""
    number = whole(value)
    if number is None or not least <= number <= most:
        raise ConfigurationError(f"{name}={shown(value)}: an integer from {least} to {most}{unit}")
    return number


def seconds(name: str, value: Any, least: float = SHORTEST_SECONDS) -> float:
    """``value`` as seconds from ``least`` to LONGEST_SECONDS. Raises ConfigurationError with name and range."""
    number = real(value)
    if number is None or not least <= number <= LONGEST_SECONDS:
        raise ConfigurationError(f"{name}={shown(value)}: {least:g} to {LONGEST_SECONDS:g} seconds")
    return number


def timeout(value: Any) -> float | None:
    """Seconds that a wait may take. None and ``math.inf``: no limit; a negative number: no waiting.

    Raises:
        ConfigurationError: neither None, nor infinity, nor a number up to LONGEST_SECONDS.
    """
    if value is None or value == math.inf:
        return None
    number = real(value)
    if number is None or not number <= LONGEST_SECONDS:
        raise ConfigurationError(
            f"timeout={shown(value)}: up to {LONGEST_SECONDS:g} seconds, or None (or infinity) for no limit"
        )
    return max(0.0, number)


def whole(value: Any) -> int | None:
    """``value`` as an int; None if it is not an integer."""
    try:
        return None if _is_bool(value) else operator.index(value)
    except TypeError:
        return None


def real(value: Any) -> float | None:
    """``value`` as a float, infinity included; None for NaN and for a value that is not a real number."""
    if _is_bool(value) or isinstance(value, (str, bytes, bytearray)):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    except OverflowError:  # an integer too large for a float
        return math.inf if value > 0 else -math.inf
    return None if math.isnan(number) else number


def flag(name: str, value: Any) -> bool:
    """``value``, which must be True or False. Raises ConfigurationError."""
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name}={shown(value)}: True or False")
    return value


def _is_bool(value: Any) -> bool:
    # NumPy's bool has an __index__ in old releases and a __float__ in all.
    return isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")


def shown(value: Any) -> str:
    """The value's repr; for an integer with very many digits, its number of bits."""
    if isinstance(value, int) and value.bit_length() > 256:
        return f"an integer of {value.bit_length()} bits"
    return f"{value!r:.100}"
