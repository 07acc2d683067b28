"""The project's chip callables, compiled once a session, and a chip in this process to execute them."""

from pathlib import Path

import pytest

import pipeline
from runtime import ArgDirection, ChipWorker
from runtime.toolchain import KernelSource, build_chip_callable

KERNELS = Path(pipeline.__file__).parent / "kernels"
IN, OUT, INOUT, SCALAR = ArgDirection.IN, ArgDirection.OUT, ArgDirection.INOUT, ArgDirection.SCALAR

SIGNATURES = {
    "vector_add": [IN, IN, OUT],
    "vector_add_unrolled": [IN, IN, OUT],
    "matmul": [IN, IN, OUT, SCALAR, SCALAR, SCALAR],
    "dense_relu": [IN, IN, IN, OUT, SCALAR],
    "dense": [IN, IN, IN, OUT],
    "join_partials": [INOUT, IN],
    "mlp_shard": [IN, IN, IN, IN, IN, OUT, SCALAR],
}


@pytest.fixture(scope="session")
def callables():
    """Every callable of the project by name."""

    def kernel(name, func_id):
        return KernelSource(name, KERNELS / f"{name}.cpp", SIGNATURES[name], func_id)

    inner = {"mlp_shard": [kernel("dense_relu", 0), kernel("dense", 1)]}
    return {
        name: build_chip_callable(
            KERNELS / f"{name}.cpp",
            signature=signature,
            platform="a2a3sim",
            entry=name,
            kernels=inner.get(name, ()),
            flags=("-Werror",),
        )
        for name, signature in SIGNATURES.items()
    }


@pytest.fixture(scope="session")
def execute(callables):
    """Executes a callable by name on arrays and scalars, with a number of blocks (0: one per core)."""
    from runtime import CallConfig

    chip = ChipWorker("a2a3sim", cores=4)
    slots = {name: chip.prepare(target) for name, target in callables.items()}

    def run(name, *arrays, scalars=(), blocks=0):
        chip.run(slots[name], arrays, scalars, CallConfig(block_count=blocks))

    return run
