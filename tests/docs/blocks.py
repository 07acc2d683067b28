"""Reads a page of the documentation as a program: files to write, commands to run, output to expect, in order.

A code block with a ``:caption:`` is a file of that name, a ``python`` block is a script, an ``sh`` block has commands,
and a ``text`` block after it has their output. A comment before a block changes how it is run: ``% exits: 4`` (or ``0
or 6``), ``% slow`` (run if CALLRING_SLOW_DOCS is set) or ``% not run: why``.
"""

import re
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
_BLOCK = re.compile(
    r"(?P<comments>(?:^%[^\n]*\n)*)\n?^```(?P<head>[^\n]*)\n(?P<body>.*?)^```$", flags=re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    language: str
    file: str
    """The name of the file, if the block is a file; else empty."""
    text: str
    exits: tuple[int, ...]
    slow: bool
    not_run: str
    line: int


def pages():
    """Every page, without the output of a documentation build."""
    return sorted(page for page in DOCS.rglob("*.md") if "_build" not in page.parts)


def blocks(page):
    """The blocks of one page."""
    text = page.read_text()
    found = []
    for match in _BLOCK.finditer(text):
        comments = dict(re.findall(r"^% ([\w ]+?)(?:: (.*))?$", match["comments"], flags=re.MULTILINE))
        head, body = match["head"].strip(), match["body"]
        directive = re.fullmatch(r"\{code-block\} (\w+)", head)
        file = ""
        if directive:
            head = directive[1]
            options, _, body = body.partition("\n\n")
            (file,) = re.findall(r"^:caption: (\S+)$", options, flags=re.MULTILINE)
        exits = tuple(int(code) for code in comments.get("exits", "0").split(" or "))
        line = text.count("\n", 0, match.start("head")) + 1
        found.append(Block(head, file, body, exits, "slow" in comments, comments.get("not run", ""), line))
    return found


def same_shape(line):
    """A line of output without the parts that differ between runs or machines: numbers with their units, hashes, the
    compiler, spaces."""
    line = re.sub(r"^(\s*compiler: ).*", r"\1NAME", line)
    line = re.sub(r"\b[0-9a-f]{8,}\b", "HASH", line)
    line = re.sub(r"(?<!\w)-?\d[\d,]*(\.\d+)?(e[-+]?\d+)?( (ns|us|µs|ms|s|%)\b)?", "N", line)
    return re.sub(r"[\s─━┃│]+", " ", line).strip()
