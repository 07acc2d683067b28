"""The native core of a build: the installed one if it fits, else one built with CMake and Ninja into the store."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pipeline.building.compiler import latest_identity
from pipeline.building.process_group import run_tied
from pipeline.building.progress import STATUS, BuildProgress
from pipeline.building.store import Store, digest_of
from pipeline.common.places import run_directory_written, shown_path
from runtime.errors import CompileError, ConfigurationError, ToolchainMissing
from runtime.packages import not_installed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.terminal.console import Console

_NATIVE = Path(__file__).resolve().parents[2] / "native"
_RUNTIMES = {"address": "libasan.so", "undefined": "libubsan.so", "thread": "libtsan.so"}


class BuildChoice(Protocol):
    """The part of a configuration that decides which core is loaded."""

    @property
    def build(self) -> str:
        """The name of the build, for people."""

    @property
    def cmake_build_type(self) -> str:
        """``"Release"``, ``"Debug"`` or another of CMake's."""

    @property
    def sanitizer(self) -> str:
        """``"address"``, ``"undefined"``, ``"thread"``, or empty."""

    @property
    def store(self) -> Path:
        """Where cores are kept."""


class Core(NamedTuple):
    """A native core that exists or has to be built."""

    key: str
    folder: Path | None
    """The folder of ``_core`` and the chip program; None: not built yet."""
    loaded: bool
    """Whether this process has loaded it."""


@functools.cache
def source_digests() -> dict[str, str] | None:
    """Digests of the native sources that the core is built from, by path; None outside of a checkout."""
    if not (_NATIVE / "CMakeLists.txt").is_file():
        return None
    names = []
    for folder, folders, files in os.walk(_NATIVE):
        place = os.path.relpath(folder, _NATIVE)
        prefix = "" if place == "." else f"{place}/"
        if not prefix:
            folders[:] = [name for name in folders if name != "tests"]
        names += [f"{prefix}{name}" for name in files if name.endswith((".cpp", ".h")) or name == "CMakeLists.txt"]
    return {name: _file_digest(f"{_NATIVE}/{name}") for name in sorted(names)}


def _file_digest(path: str) -> str:
    # Unbuffered: there are many small files, and every run reads them all.
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        return hashlib.sha256(file.read()).hexdigest()


def _python_abi() -> str:
    """The tag of extension modules, such as ``cpython-311-x86_64-linux-gnu``, from the import system's suffixes."""
    return EXTENSION_SUFFIXES[0].strip(".").removesuffix(".so")


def source_digest() -> str | None:
    """One digest of all sources, as native/bindings/CMakeLists.txt computes it."""
    digests = source_digests()
    return None if digests is None else _one_digest(digests)


def _pybind11_version() -> str:
    from importlib.metadata import version

    return version("pybind11")


def _one_digest(digests: dict[str, str]) -> str:
    listing = "".join(f"{digest} {name}\n" for name, digest in digests.items())
    return hashlib.sha256(listing.encode()).hexdigest()


def find_core(wanted: BuildChoice, *, read_only: bool = False) -> Core:
    """The core of a build; ``read_only`` does not change the store.

    Raises:
        ConfigurationError: the build is not the installed one, and there are no sources.
    """
    from runtime import _core

    build = (wanted.cmake_build_type, wanted.sanitizer)
    digest = source_digest()
    python = _python_abi()
    if (_core.build_type, _core.sanitizer) == build and digest in (None, _core.source_digest):
        folder = Path(_core.__file__).parent
        from_store = "CALLRING_CORE_DIR" in os.environ
        key = folder.parent.name if from_store else digest_of("core", _core.source_digest, *build, python)
        return Core(key, folder, loaded=True)
    if digest is None:
        raise ConfigurationError(
            f"build={wanted.build}: the installed core is a {_core.build_type} build, and the sources to build "
            "another are not here; run from a checkout"
        )
    store = Store(wanted.store, "cores")
    compiler = latest_identity(Store(wanted.store, "callables", read_only=read_only))
    key = digest_of("core", digest, *build, python, compiler, _pybind11_version())
    entry = store.find(key)
    return Core(key, None if entry is None else entry / "runtime", loaded=False)


def earlier_cores(wanted: BuildChoice) -> list[tuple[float, Mapping[str, Any]]]:
    """The inputs of the store's cores, with the time of their last use."""
    return [(entry.used, entry.origin) for entry in Store(wanted.store, "cores").entries() if entry.origin]


def core_origin(wanted: BuildChoice, *, read_only: bool = False) -> dict[str, Any]:
    """The inputs of the core for this build: kept with it, and compared by a plan."""
    return {
        "name": "core",
        "compiler": latest_identity(Store(wanted.store, "callables", read_only=read_only)),
        "build type": wanted.cmake_build_type,
        "sanitizer": wanted.sanitizer,
        "python": _python_abi(),
        "pybind11": _pybind11_version(),
        "sources": source_digests() or {},
    }


def installed_origin() -> dict[str, Any]:
    """The known inputs of the installed core: its sources are not known, only that they differ."""
    from runtime import _core

    return {"build type": _core.build_type, "sanitizer": _core.sanitizer}


def build_core(wanted: BuildChoice, core: Core, console: Console, log: Path) -> Core:
    """Configures, builds and installs the core into the store.

    Args:
        wanted: names the build.
        core: the core to build.
        console: shows the progress.
        log: file for the output of CMake, Ninja and the compiler.

    Raises:
        ConfigurationError: the log cannot be written.
        ToolchainMissing: no CMake, Ninja or compiler.
        CompileError: the build failed; the message has its output.
    """
    for program in ("cmake", "ninja", "g++"):
        if find_program(program) is None:
            raise ToolchainMissing(not_installed(program))
    store = Store(wanted.store, "cores")
    place = shown_path(log)
    console.working(f"building the core ({wanted.build}), log: {place}")
    with run_directory_written(log.parent), log.open("w") as file:
        progress = BuildProgress(console, file, place)
        entry = store.put(core.key, lambda folder: _build_into(folder, wanted, progress), core_origin(wanted))
    return Core(core.key, entry / "runtime", loaded=False)


def environment_for(core: Core, sanitizer: str) -> dict[str, str]:
    """The environment of a process that loads ``core``: a sanitizer's runtime must be the first library."""
    environment = {**os.environ, "CALLRING_CORE_DIR": str(core.folder)}
    if sanitizer:
        environment["LD_PRELOAD"] = preload(sanitizer)
        # CPython keeps memory until its end; that is no leak of the core.
        environment["ASAN_OPTIONS"] = f"detect_leaks=0:{os.environ.get('ASAN_OPTIONS', '')}"
    return environment


def preload(sanitizer: str) -> str:
    """The LD_PRELOAD of a process that loads a sanitized core.

    A sanitizer's runtime looks up functions of the C++ runtime when it starts, and Python has not loaded that library
    then: with the sanitizer's runtime alone, the first C++ exception would end the process.
    """
    asked = [["g++", f"-print-file-name={library}"] for library in (_RUNTIMES[sanitizer], "libstdc++.so.6")]
    answers = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for command in asked]
    return ":".join(answer.strip() for answer in answers)


def find_program(program: str) -> str | None:
    """A program on the PATH, or beside this interpreter (cmake and ninja are installed as packages)."""
    return shutil.which(program) or shutil.which(program, path=str(Path(sys.executable).parent))


def build_commands(build: Path, prefix: Path, *options: str) -> list[list[str]]:
    """The commands that configure a core in ``build``, build it and install it into ``prefix``/runtime."""
    import pybind11

    cmake = str(find_program("cmake"))
    configure = [
        cmake,
        *("-G", "Ninja", "-S", str(_NATIVE), "-B", str(build)),
        f"-DCMAKE_MAKE_PROGRAM={find_program('ninja')}",
        "-DCALLRING_PYTHON=ON",
        f"-DPython_EXECUTABLE={sys.executable}",
        f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
        f"-DCMAKE_INSTALL_PREFIX={prefix}",
        *options,
        *_launcher(),
    ]
    return [configure, [cmake, "--build", str(build)], [cmake, "--install", str(build)]]


def _build_into(folder: Path, wanted: BuildChoice, progress: BuildProgress) -> None:
    build = folder / "build"
    build.mkdir()
    options = (f"-DCMAKE_BUILD_TYPE={wanted.cmake_build_type}", f"-DCALLRING_SANITIZE={wanted.sanitizer}")
    for command in build_commands(build, folder, *options):
        # The compiler's temporary files go there, too: if there is no room for one of them, the store is full.
        status, words = run_tied(command, progress, {**os.environ, **STATUS, "LC_ALL": "C", "TMPDIR": str(build)})
        if status != 0:
            words = words.replace(str(_NATIVE), "native").replace(str(build), "build")
            said = f"the core does not build; the whole output is in {progress.place}:\n{words[-4000:]}"
            raise CompileError(said, output=words, source="native")
    shutil.rmtree(build)


def compiler_cache() -> str | None:
    """ccache or sccache, if installed: unchanged files are not compiled again."""
    return find_program("ccache") or find_program("sccache")


def _launcher() -> list[str]:
    cache = compiler_cache()
    # A choice of the user takes precedence: CMake reads it from the environment.
    wanted = cache is not None and "CMAKE_CXX_COMPILER_LAUNCHER" not in os.environ
    return [f"-DCMAKE_CXX_COMPILER_LAUNCHER={cache}"] if wanted else []
