"""build: the core for the configured build, and the chip callables for the target, in parallel."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from pipeline.building.chip_callables import CallableBuilder
from pipeline.config.specs import ChipSpec
from pipeline.run.stage_results import Built
from runtime.identity import build_chip_callable_descriptor, compute_callable_hashid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.run.stage_results import Described
    from pipeline.terminal.console import Console
    from runtime import ChipCallable


def build_callables(described: Described, console: Console) -> Built:
    """Compiles what is missing in the store. Raises CompileError, SignatureMismatch, ToolchainMissing."""
    builder = CallableBuilder(described.store, described.platform, described.kernel_flags)

    outcomes: dict[str, tuple[str, ChipCallable, float]] = {}
    missing = []
    for spec in described.chip_callables:
        begin = time.perf_counter()
        found = builder.find(spec)
        if found is None:
            missing.append(spec)
            if spec.name in builder.damaged_names:
                console.action("damaged", f"{spec.name}, in the store")
        else:
            builder.mark_used(spec)
            outcomes[spec.name] = "cached", found, time.perf_counter() - begin
    if missing:
        outcomes |= _build(builder, missing, console)
    callables = {}
    for spec in described.chip_callables:
        word, callables[spec.name], seconds = outcomes[spec.name]
        console.action(word, spec.name, hashed=chip_hashid(described, callables[spec.name]), seconds=seconds)
    return Built(described, callables)


def _build(
    builder: CallableBuilder, specs: Sequence[ChipSpec], console: Console
) -> dict[str, tuple[str, ChipCallable, float]]:
    """Builds as many callables at a time as there are cores."""
    from concurrent.futures import ThreadPoolExecutor

    at_work: dict[str, None] = {}
    ended: list[str] = []

    def one(spec: ChipSpec) -> tuple[str, ChipCallable, float]:
        at_work[spec.name] = None
        begin = time.perf_counter()
        try:
            return "built", builder.build(spec), time.perf_counter() - begin
        finally:
            del at_work[spec.name]
            ended.append(spec.name)

    console.counted("callables", lambda: (len(ended), len(specs)), lambda: ", ".join(tuple(at_work)))
    with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
        return dict(zip([spec.name for spec in specs], pool.map(one, specs), strict=True))


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
