"""A native core with a sanitizer, built into ``build/sanitized``; builds are incremental."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from pipeline.building.core import build_commands
from tests.alone import alone
from tests.sanitized.sanitizers import Sanitizer

_FOLDER = Path(__file__).resolve().parents[2] / "build" / "sanitized"


def build(sanitizer: Sanitizer) -> Path:
    """Builds the extension and the chip program. Returns the folder for ``CALLRING_CORE_DIR``.

    The sanitizer is set by the compiler's flags, not by an option of the build: so the core calls itself a release
    build, and the tests that run the pipeline use it instead of building a core without a sanitizer.
    """
    flags = f"-fsanitize={sanitizer.flag} -fno-omit-frame-pointer -g1 {sanitizer.definitions}"
    environment = {**os.environ, "CXXFLAGS": flags, "LDFLAGS": f"-fsanitize={sanitizer.flag}"}
    folder = _FOLDER / sanitizer.flag
    # With so little optimisation, the stacks in a report match the sources.
    options = ("-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS_RELEASE=-O1")
    with alone(folder):
        for command in build_commands(folder / "build", folder, *options):
            subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    return folder / "runtime"
