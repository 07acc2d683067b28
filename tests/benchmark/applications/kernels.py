"""The kernels as chip callables, and compiled into native peers, with the same flags."""

from __future__ import annotations

import functools
from pathlib import Path

from runtime import ArgDirection, Tag
from runtime.chips.chip_callable import ChipCallable, CoreCallable
from runtime.toolchain import compile_shared_object, include_folder
from tests.benchmark.compiled import compiled

FOLDER = Path(__file__).parent
FLAGS = ("-O3", "-march=native")

_READ, _WRITE, _BOTH = Tag.INPUT, Tag.OUTPUT, Tag.INOUT
TAGS = {
    "multiply": (_READ, _READ, _BOTH),
    "potrf": (_BOTH,),
    "trsm": (_READ, _BOTH),
    "syrk": (_READ, _BOTH),
    "gemm": (_READ, _READ, _BOTH),
    "stencil": (_READ, _WRITE),
    "stencil_with_halos": (_READ, _WRITE, _WRITE, _WRITE, _WRITE, _WRITE),
}
"""The kernels, and the tags of their arguments."""
_DIRECTIONS = {_READ: ArgDirection.IN, _WRITE: ArgDirection.OUT, _BOTH: ArgDirection.INOUT}


@functools.cache
def chip_callables() -> dict[str, ChipCallable]:
    """A chip callable for each kernel."""
    binary = compile_shared_object(FOLDER / "kernels.cpp", flags=FLAGS)
    made = {}
    for name, tags in TAGS.items():
        signature = [_DIRECTIONS[tag] for tag in tags]
        kernel = CoreCallable.build(name=name, signature=signature, binary=binary)
        made[name] = ChipCallable.build(entry=name, signature=signature, kernels=[kernel])
    return made


def native(source: str, target: Path, *flags: str) -> Path:
    """A native program or library with the kernels. Raises RuntimeError with the compiler's messages."""
    return compiled(FOLDER / source, target, *FLAGS, f"-I{include_folder()}", *flags)
