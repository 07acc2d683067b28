"""A process with a sanitized library, in the environment of the pipeline."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.building.core import Core, environment_for

SOURCE = """
#include <stdexcept>
extern "C" int caught() {
    try { throw std::runtime_error("thrown"); } catch (const std::runtime_error&) { return 42; }
}
"""


@pytest.mark.not_sanitized("one process has one sanitizer")
@pytest.mark.parametrize("sanitizer", ["address", "undefined", "thread"])
def test_an_exception_of_a_sanitized_library_does_not_end_the_process(sanitizer, tmp_path):
    source, library = tmp_path / "throws.cpp", tmp_path / "throws.so"
    source.write_text(SOURCE)
    subprocess.run(["g++", f"-fsanitize={sanitizer}", "-shared", "-fPIC", source, "-o", library], check=True)
    program = f"import ctypes; print(ctypes.CDLL({str(library)!r}).caught())"
    environment = environment_for(Core("any", Path("any"), loaded=False), sanitizer)
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "42\n", "")
