"""The callables of conf/callable, compiled once for each session, and a chip in this process that executes them."""

import pytest
from omegaconf import OmegaConf

from pipeline.config.callables import describe_callables
from pipeline.config.targets import Lookup
from pipeline.config.tree import CONF
from runtime import CallConfig, ChipWorker
from runtime.toolchain import KernelSource, build_chip_callable


def compiled(entry, source, signature, kernels):
    return build_chip_callable(
        source,
        signature=signature,
        platform="a2a3sim",
        entry=entry,
        kernels=[KernelSource(k.name, k.source, k.signature, k.func_id, k.core_kind) for k in kernels],
        flags=("-Wconversion", "-Wshadow", "-Werror"),
    )


@pytest.fixture(scope="session")
def callables():
    """Every declared chip callable by name, and every kernel of a callable with several kernels as a callable."""
    declared = {file.stem: OmegaConf.to_container(OmegaConf.load(file)) for file in (CONF / "callable").glob("*.yaml")}
    specs, _ = describe_callables(declared, Lookup([], ["pipeline"]))
    result = {spec.name: compiled(spec.entry, spec.source, spec.signature, spec.kernels) for spec in specs}
    for spec in specs:
        if spec.source:
            result |= {k.name: compiled(k.name, k.source, k.signature, ()) for k in spec.kernels}
    return result


@pytest.fixture(scope="session")
def execute(callables):
    """Executes a callable by name on arrays and scalars, with a number of blocks (0: one per core)."""
    chip = ChipWorker("a2a3sim", cores=4)
    slots = {name: chip.prepare(target) for name, target in callables.items()}

    def run(name, *arrays, scalars=(), blocks=0):
        chip.run(slots[name], arrays, scalars, CallConfig(block_count=blocks))

    return run
