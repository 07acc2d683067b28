"""The native core of a build: the installed one if it fits, else one built with CMake and Ninja into the store."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.store import Store, digest_of
from runtime.errors import CompileError, ConfigurationError, ToolchainMissing

if TYPE_CHECKING:
    from pipeline.model import Described

_NATIVE = Path(__file__).resolve().parent.parent / "native"
_PRELOADS = {"address": "libasan.so", "undefined": "libubsan.so", "thread": "libtsan.so"}


@dataclass(frozen=True, slots=True)
class Core:
    """A native core, there or to be built."""

    key: str
    folder: Path | None
    """Where ``_core`` and its chip child are; None: not built yet."""
    loaded: bool
    """Whether this very process has loaded it."""


@functools.cache
def source_digest() -> str | None:
    """The digest of the native sources, as native/bindings/CMakeLists.txt computes it; None outside of a checkout.

    Read once in a process: all points of a sweep are measured with one core.
    """
    if not (_NATIVE / "CMakeLists.txt").is_file():
        return None
    found = {
        path.relative_to(_NATIVE).as_posix()
        for pattern in ("*.cpp", "*.h", "*/CMakeLists.txt")
        for path in _NATIVE.rglob(pattern)
    }
    names = sorted({name for name in found if not name.startswith("tests/")} | {"CMakeLists.txt"})
    listing = "".join(f"{hashlib.sha256((_NATIVE / name).read_bytes()).hexdigest()} {name}\n" for name in names)
    return hashlib.sha256(listing.encode()).hexdigest()


def find_core(described: Described) -> Core:
    """The core that a build asks for.

    Raises:
        ConfigurationError: another build than the installed one, but no sources to build it from.
    """
    from runtime import _core

    wanted = (described.cmake_build_type, described.sanitizer)
    digest = source_digest()
    fits = (_core.build_type, _core.sanitizer) == wanted and digest in (None, _core.source_digest)
    key = digest_of("core", digest or _core.source_digest, *wanted, sysconfig.get_config_var("SOABI") or "")
    if fits:
        return Core(key, Path(_core.__file__).parent, loaded=True)
    if digest is None:
        raise ConfigurationError(
            f"build={described.build}: the installed core is a {_core.build_type} build, and the sources to build "
            "another are not here; run from a checkout"
        )
    entry = Store(described.store, "cores").find(key)
    return Core(key, None if entry is None else entry / "runtime", loaded=False)


def build_core(described: Described, core: Core) -> Core:
    """Configures, builds and installs the core into the store.

    Raises:
        ToolchainMissing: no CMake, Ninja or compiler.
        CompileError: the compiler's words.
    """
    for program in ("cmake", "ninja", "g++"):
        if _find(program) is None:
            raise ToolchainMissing(f"{program} is not installed; on Debian: apt-get install cmake ninja-build g++")
    entry = Store(described.store, "cores").put(core.key, lambda folder: _build_into(folder, described))
    return Core(core.key, entry / "runtime", loaded=False)


def environment_for(core: Core, sanitizer: str) -> dict[str, str]:
    """The environment of a process that is to load ``core``: a sanitizer's runtime must be loaded before anything."""
    environment = {**os.environ, "CALLRING_CORE_DIR": str(core.folder)}
    if sanitizer:
        library = subprocess.run(
            ["g++", f"-print-file-name={_PRELOADS[sanitizer]}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        environment["LD_PRELOAD"] = library
        # CPython keeps memory until its end; what it keeps is not our leak.
        environment["ASAN_OPTIONS"] = "detect_leaks=0"
    return environment


def _find(program: str) -> str | None:
    """A program on the PATH, or beside this interpreter (cmake and ninja are installed as packages)."""
    return shutil.which(program) or shutil.which(program, path=str(Path(sys.executable).parent))


def _build_into(folder: Path, described: Described) -> None:
    import pybind11

    build = folder / "build"
    configure = [
        str(_find("cmake")),
        *("-G", "Ninja", "-S", str(_NATIVE), "-B", str(build)),
        f"-DCMAKE_MAKE_PROGRAM={_find('ninja')}",
        f"-DCMAKE_BUILD_TYPE={described.cmake_build_type}",
        f"-DCALLRING_SANITIZE={described.sanitizer}",
        "-DCALLRING_PYTHON=ON",
        f"-DPython_EXECUTABLE={sys.executable}",
        f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
        f"-DCMAKE_INSTALL_PREFIX={folder}",
    ]
    steps = (configure, *([str(_find("cmake")), step, str(build)] for step in ("--build", "--install")))
    for command in steps:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            words = (done.stdout + done.stderr).replace(str(_NATIVE), "native").replace(str(build), "build")
            raise CompileError(f"the core does not build:\n{words[-4000:]}", output=words, source="native")
    shutil.rmtree(build)
