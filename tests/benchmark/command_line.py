"""What the command lines of the benchmarks share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any


def matching(what: str, words: Iterable[str], names: Iterable[str]) -> list[str]:
    """The names that contain one of the words, in any case; all names without words.

    Raises:
        ValueError: a word is in no name; ``what`` says what the names are names of.
    """
    names, words = list(names), [word.lower() for word in words]
    for word in words:
        if not any(word in name.lower() for name in names):
            raise ValueError(f"no {what} named {word!r}; there are {'; '.join(names)}")
    return [name for name in names if not words or any(word in name.lower() for word in words)]


def positive(text: str) -> int:
    """A number of the command line. Raises ValueError for one below 1."""
    if int(text) < 1:
        raise ValueError
    return int(text)


@contextmanager
def started(makers: Mapping[str, Callable[[int], Any]], workers: int) -> Iterator[dict[str, Any]]:
    """These contenders, made in reverse order with this number of workers, and closed at the end."""
    with ExitStack() as stack:
        made = {}
        for name in reversed(makers):
            made[name] = makers[name](workers)
            stack.callback(made[name].close)
        yield {name: made[name] for name in makers}
