"""Words that several error messages share."""

from __future__ import annotations


def kind_of(value: object) -> str:
    """The name of a value's type, with its article: ``an int``, ``a str``; ``None`` for None."""
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeioAEIO' else 'a'} {name}"
