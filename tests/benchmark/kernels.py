"""Chip kernels that the benchmark measures with."""

from __future__ import annotations

import tempfile
from pathlib import Path

from runtime import ArgDirection
from runtime.chips.chip_callable import ChipCallable, CoreCallable
from runtime.toolchain import build_chip_callable


def noop() -> ChipCallable:
    """Does nothing, and takes nothing."""
    return built("noop", "return 0;")


def three() -> ChipCallable:
    """Does nothing with three tensors: two inputs and an output."""
    return built("three", "return 0;", [ArgDirection.IN, ArgDirection.IN, ArgDirection.OUT])


def until() -> ChipCallable:
    """Sleeps until the first number of its tensor is set."""
    body = """const volatile double *over = static_cast<const double *>(args->tensors[0].data);
    while (*over == 0) { usleep(10000); }
    return 0;"""
    return built("until", body, [ArgDirection.IN])


def variant(kernel: ChipCallable, number: int) -> ChipCallable:
    """The same kernel under another label: another blob, and so another callable."""
    (part,) = kernel.kernels
    labelled = CoreCallable.build(
        name=part.name, signature=part.signature, binary=part.binary, core_kind=f"aiv_{number}"
    )
    return ChipCallable.build(entry=kernel.entry, signature=kernel.signature, kernels=[labelled])


def built(name: str, body: str, signature: list[ArgDirection] | None = None, functions: str = "") -> ChipCallable:
    """A kernel of this body, that takes one block and the arguments of ``signature``; ``functions`` stand before it."""
    directions = signature or []
    words = ", ".join([name, *(f"CALLRING_{direction.name}" for direction in directions)])
    text = f"""#include <callring/chip.h>
#include <unistd.h>
{functions}
CALLRING_SIGNATURE({words});
CALLRING_EXPORT int {name}(const callring_block *, [[maybe_unused]] const callring_args *args) {{
    {body}
}}
"""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / f"{name}.cpp"
        source.write_text(text)
        return build_chip_callable(source, signature=directions, platform="a2a3sim")
