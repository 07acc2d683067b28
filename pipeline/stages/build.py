"""build: the core for the configured build, and the chip callables for the target, in parallel."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pipeline.callable_build import CallableBuilder
from pipeline.model import Built, ChipSpec
from runtime.identity import build_chip_callable_descriptor, compute_callable_hashid

if TYPE_CHECKING:
    from pipeline.console import Console
    from pipeline.model import Described
    from runtime import ChipCallable


def build_callables(described: Described, console: Console) -> Built:
    """Compiles what the store does not have. Raises CompileError, SignatureMismatch, ToolchainMissing."""
    builder = CallableBuilder(described.store, described.platform, described.kernel_flags)

    def one(spec: ChipSpec) -> tuple[str, ChipCallable, float]:
        begin = time.perf_counter()
        found = builder.find(spec)
        if found is not None:
            builder.mark_used(spec)
        word = "built" if found is None else "cached"
        return word, found or builder.build(spec), time.perf_counter() - begin

    with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
        outcomes = list(pool.map(one, described.chip_callables))
    callables = {}
    for spec, (word, callable_, seconds) in zip(described.chip_callables, outcomes, strict=True):
        callables[spec.name] = callable_
        console.action(word, spec.name, hashed=chip_hashid(described, callable_), seconds=seconds)
    return Built(described, callables)


def chip_hashid(described: Described, callable_: ChipCallable) -> str:
    """The hashid of a chip callable on the target."""
    return compute_callable_hashid(
        build_chip_callable_descriptor(
            blob=callable_.blob,
            signature=callable_.signature,
            platform=described.platform,
            runtime=described.runtime,
        )
    )
