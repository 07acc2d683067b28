"""The offsets of all fields in docs/reference/frames.md are those of the compiler."""

import re
import subprocess

from runtime import _core
from tests.docs.blocks import DOCS

NATIVE = DOCS.parent / "native"
_PAGE = DOCS / "reference" / "frames.md"
_PROGRAM = """
#include "callring/chip.h"
#include "control/message.h"
#include "lane/frame.h"
#include "memory/task_args.h"
using namespace callring;
{checks}
int main() {{}}
"""


def compiles(checks, folder):
    """The compiler's message if one of the static assertions fails; empty if all hold."""
    source = folder / "page.cpp"
    source.write_text(_PROGRAM.format(checks="\n".join(f"static_assert({check});" for check in checks)))
    flags = ["-std=c++20", "-fsyntax-only", "-Wno-invalid-offsetof", f"-I{NATIVE}", f"-I{NATIVE / 'include'}"]
    done = subprocess.run(["g++", *flags, source], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or "static assertion failed" in done.stderr, done.stderr
    return done.stderr


def fields():
    """Struct, offset, bytes and name of every field on the page."""
    for title, section in re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", _PAGE.read_text(), flags=re.M | re.S):
        rows = re.findall(r"^\| (\d+) \| (\d+) \| `(\w+)` \|", section, flags=re.M)
        assert rows, title
        for offset, size, name in rows:
            yield title, int(offset), int(size), name


def test_every_field_lies_where_the_page_says(tmp_path):
    told = list(fields())
    checks = [f"offsetof({of}, {name}) == {offset}" for of, offset, _, name in told]
    checks += [f"sizeof({of}::{name}) == {size}" for of, _, size, name in told]
    ends = {
        of: offset + size for of, offset, size, _ in told
    }  # the end of the last field: the page leaves out no field
    checks += [f"sizeof({of}) == {end}" for of, end in ends.items()]
    assert compiles(checks, tmp_path) == ""


def test_a_wrong_offset_on_the_page_is_found(tmp_path):
    assert "static assertion failed" in compiles(["offsetof(Frame, digest) == 64"], tmp_path)


def test_flags_numbers_and_bounds_are_those_of_the_page(tmp_path):
    page = _PAGE.read_text()
    (version,) = re.findall(r"version number, at present (\d+)", page)
    names = {name.lower(): number for name, number in re.findall(r"`([A-Z_]+)` (\d)", page)}
    dtypes = {name.upper(): number for name, number in re.findall(r"`([a-z]+\d*)` (\d+)[,\s]", page) if name != "u32"}
    checks = [f"kLayoutVersion == {version}"]
    checks += [f"static_cast<int>(Tag::{tag}) == {number}" for tag, number in names.items()]
    checks += [f"CALLRING_{dtype} == {number}" for dtype, number in dtypes.items()]
    flags = {"Spilled": 1, "Traced": 2, "Opaque": 4, "Cores": 8, "Timed": 16, "Keeps": 32, "ManyPredecessors": 64}
    checks += [f"kFrame{name} == {flag}" for name, flag in flags.items()]
    checks += ["kMaxDistances == 4", "kMaxPredecessorDistance == 65535", "kMaxDistanceInSet == 128"]
    checks += ["CALLRING_MAX_RANK == 8"]
    checks += ["kMaxMessageBody == 32768", "kMaxMessageFds == 5", "kResultBytes == 8 << 20"]
    assert (len(names), len(dtypes)) == (5, 13)
    assert compiles(checks, tmp_path) == ""


def test_operations_are_those_of_the_page():
    page = _PAGE.read_text()
    for name, number in _core.OPERATIONS.items():
        words = {"fork_child": "fork a child", "child_exited": "a child exited", "shutdown": "shut down"}
        assert f"{number} {words.get(name, name)}" in page
