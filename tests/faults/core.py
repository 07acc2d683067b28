"""The native core whose calls can fail, built into ``build/faults``; builds are incremental."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from pipeline.building.core import build_commands, preload
from tests.alone import alone

_FOLDER = Path(__file__).resolve().parents[2] / "build" / "faults"


def build(sanitizer: str) -> Path:
    """Builds the core, with a sanitizer unless ``sanitizer`` is "". Returns the folder for ``CALLRING_CORE_DIR``."""
    folder = _FOLDER / (sanitizer or "plain")
    options = (
        "-DCALLRING_FAULTS=ON",
        "-DCMAKE_BUILD_TYPE=Release",
        "-DCMAKE_CXX_FLAGS_RELEASE=-O1 -g1 -fno-omit-frame-pointer",
        f"-DCALLRING_SANITIZE={sanitizer}",
    )
    with alone(folder):
        for command in build_commands(folder / "build", folder, *options):
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return folder / "runtime"


def environment(core: Path, sanitizer: str) -> dict[str, str]:
    """The environment of a process that loads the core."""
    result = {**os.environ, "CALLRING_CORE_DIR": str(core), "PYTHONFAULTHANDLER": "1"}
    if sanitizer:
        result["LD_PRELOAD"] = preload(sanitizer)
        # CPython keeps memory until its end. The core replaces `new` and `delete`, but libstdc++ does not use them for
        # all of its memory. Kernels crash on purpose.
        result["ASAN_OPTIONS"] = "detect_leaks=0:alloc_dealloc_mismatch=0:handle_segv=0:handle_abort=0:exitcode=99"
        result["PYTHONMALLOC"] = "malloc"
    return result


def places(role: str, stack: list[int]) -> str:
    """The places in the sources of a stack in this core, the innermost first."""
    folder = Path(os.environ["CALLRING_CORE_DIR"])
    module = folder / "bin" / "callring-chip" if role == "chip" else next(folder.glob("_core*.so"))
    addresses = [hex(offset - 1) for offset in stack]
    done = subprocess.run(["addr2line", "-i", "-e", module, *addresses], capture_output=True, text=True, check=False)
    lines = [line.split(" ")[0].rpartition("/native/")[2] for line in done.stdout.splitlines() if "/native/" in line]
    return " < ".join(line for line in lines if not line.startswith(("common/faults", "common/faulty")))
