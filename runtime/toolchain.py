"""Compiles sources into ChipCallables, reproducibly: the same sources and flags give the same bytes in every folder.

The compiler's output contains no build id, no debug path and no absolute path: each source is compiled in its own
folder under its bare name.
"""

from __future__ import annotations

import functools
import io
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from runtime.chips.chip_callable import ChipCallable, CoreCallable
from runtime.chips.platforms import require_platform
from runtime.errors import CompileError, ConfigurationError, SignatureMismatch, ToolchainMissing
from runtime.identity import ArgDirection
from runtime.packages import not_installed
from runtime.processes.spawning import core_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ABI_VERSION = 1
"""CALLRING_CHIP_ABI_VERSION of callring/chip.h."""

_BASE_FLAGS = ("-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra")
_LINK_FLAGS = ("-Wl,--build-id=none", "-Wl,-s")
_STANDARDS = {".c": ("gcc", "-std=c11"), ".cpp": ("g++", "-std=c++20"), ".cc": ("g++", "-std=c++20")}
_SIGNATURE_PREFIX = "callring_signature_"


@dataclass(frozen=True, slots=True)
class KernelSource:
    """One kernel to compile.

    Args:
        name: the exported function, a C identifier.
        source: its C or C++ file.
        signature: directions of its arguments.
        func_id: the number under which the orchestration function launches it.
        core_kind: a label such as ``"aiv"``.
    """

    name: str
    source: str | os.PathLike[str]
    signature: Sequence[ArgDirection | int]
    func_id: int = 0
    core_kind: str = "aiv"


def build_chip_callable(
    sources: str | os.PathLike[str] | None,
    *,
    signature: Iterable[ArgDirection | int],
    platform: str,
    entry: str | None = None,
    kernels: Sequence[KernelSource] = (),
    flags: Sequence[str] = (),
    scratch: str | os.PathLike[str] | None = None,
) -> ChipCallable:
    """Compiles a chip callable.

    With ``kernels``, ``sources`` is the file of the orchestration function ``entry``, or None if the callable is a
    single kernel. Without ``kernels``, ``sources`` is the file of a single kernel named ``entry`` (default: the file's
    stem), which is launched without an orchestration function.

    Args:
        sources: C or C++ file.
        signature: the public signature.
        platform: the kind of chips that will execute it; must be available here.
        entry: the exported function.
        kernels: the kernels.
        flags: further compiler flags.
        scratch: an existing folder for intermediate files; default: the system's.

    Raises:
        ConfigurationError: missing source, unknown platform, or a combination that cannot work.
        PlatformUnavailable, ToolchainMissing: the message names what is missing.
        CompileError: the message and ``output`` contain the compiler's messages.
        SignatureMismatch: a function is not exported, or its source declares another signature.
        BlobError: the parts do not fit together.
    """
    require_platform(platform)
    public = tuple(ArgDirection(d) for d in signature)
    if not kernels:
        if sources is None:
            raise ConfigurationError("build_chip_callable: give sources or kernels")
        kernels = (KernelSource(entry or Path(sources).stem, sources, public),)
        sources = None
    name = entry or (kernels[0].name if sources is None else Path(sources).stem)
    orchestration = b"" if sources is None else compile_shared_object(sources, flags=flags, scratch=scratch)
    if orchestration:
        check_export(orchestration, name, public)
    compiled = []
    for kernel in kernels:
        binary = compile_shared_object(kernel.source, flags=flags, scratch=scratch)
        check_export(binary, kernel.name, kernel.signature)
        compiled.append(
            CoreCallable.build(
                name=kernel.name,
                func_id=kernel.func_id,
                signature=kernel.signature,
                binary=binary,
                core_kind=kernel.core_kind,
            )
        )
    return ChipCallable.build(entry=name, signature=public, kernels=compiled, binary=orchestration)


def compile_shared_object(
    source: str | os.PathLike[str], *, flags: Sequence[str] = (), scratch: str | os.PathLike[str] | None = None
) -> bytes:
    """Compiles one file into the bytes of an ELF shared object. Raises as build_chip_callable."""
    path = _source(source)
    with tempfile.TemporaryDirectory(prefix="callring-", dir=scratch) as folder:
        output = Path(folder).resolve() / "binary.so"
        command = [*_command(path), *_BASE_FLAGS, *flags, path.name, "-o", str(output), *_LINK_FLAGS]
        _run(command, path, TMPDIR=str(output.parent))
        return output.read_bytes()


def included_files(source: str | os.PathLike[str], *, flags: Sequence[str] = ()) -> list[Path]:
    """``source``, then the files that it includes, except system headers. Raises as build_chip_callable."""
    path = _source(source)
    rule = _run([*_command(path), *flags, "-MM", "-MT", "x", path.name], path)
    return [(path.parent / name).resolve() for name in _prerequisites(rule)]


def _prerequisites(rule: str) -> list[str]:
    """The names on the right of a make rule of GCC, with a backslash before spaces and ``#``, and ``$`` doubled."""
    names = re.findall(r"(?:\\\\|\\[ \t#]|[^ \t\n])+", rule.partition(":")[2].replace("\\\n", " "))
    return [re.sub(r"(\\*)\\([ \t#])", _unescaped, name).replace("$$", "$") for name in names]


def _unescaped(found: re.Match[str]) -> str:
    backslashes, character = found.groups()
    return str("\\" * (len(backslashes) // 2) + character)


@functools.cache
def compiler_identity() -> str:
    """The compiler's version line and target machine. Raises ToolchainMissing."""
    compiler = _compiler("g++")
    words = [
        subprocess.run([compiler, option], capture_output=True, text=True, check=True).stdout.splitlines()[0]
        for option in ("--version", "-dumpmachine")
    ]
    return ", ".join(words)


def include_folder() -> Path:
    """The folder that holds ``callring/chip.h``."""
    return Path(core_folder(), "include")


def check_export(binary: bytes, name: str, signature: Iterable[ArgDirection | int]) -> None:
    """Refuses a binary that does not export ``name`` or whose source declares another signature for it.

    Raises:
        SignatureMismatch: names what was declared and what was found.
    """
    declared = [ArgDirection(d) for d in signature]
    symbols = _exported_symbols(binary)
    if name not in symbols:
        found = ", ".join(sorted(s for s in symbols if not s.startswith(_SIGNATURE_PREFIX))) or "nothing"
        raise SignatureMismatch(f"entry {name!r} is not exported (mark it CALLRING_EXPORT); the binary exports {found}")
    words = symbols.get(_SIGNATURE_PREFIX + name)
    if words is None:
        return
    if not words or words[0] != ABI_VERSION:
        raise SignatureMismatch(f"{name!r} was compiled against another version of callring/chip.h")
    in_source = [ArgDirection(word) for word in words[1:]]
    if in_source != declared:
        raise SignatureMismatch(
            f"signature of {name!r}: the declaration has [{_names(declared)}], CALLRING_SIGNATURE in its source has "
            f"[{_names(in_source)}]"
        )


def _names(directions: Iterable[ArgDirection]) -> str:
    return ", ".join(direction.name.lower() for direction in directions)


def _exported_symbols(binary: bytes) -> dict[str, list[int]]:
    """The exported symbols. The symbol of a declared signature has its 32-bit words, any other an empty list."""
    try:
        elf = ELFFile(io.BytesIO(binary))
        table = elf.get_section_by_name(".dynsym")
    except ELFError as error:
        raise SignatureMismatch(f"the binary is not an ELF shared object: {error}") from None
    result: dict[str, list[int]] = {}
    if not isinstance(table, SymbolTableSection):
        return result
    for symbol in table.iter_symbols():
        if symbol["st_shndx"] == "SHN_UNDEF" or symbol["st_info"]["bind"] != "STB_GLOBAL":
            continue
        words: list[int] = []
        if symbol.name.startswith(_SIGNATURE_PREFIX):
            section = elf.get_section(symbol["st_shndx"])
            start = symbol["st_value"] - section["sh_addr"]
            raw = section.data()[start : start + symbol["st_size"]]
            words = [int.from_bytes(raw[i : i + 4], "little") for i in range(0, len(raw), 4)]
        result[symbol.name] = words
    return result


def _source(source: str | os.PathLike[str]) -> Path:
    path = Path(source)
    if path.suffix not in _STANDARDS:
        raise ConfigurationError(f"source {path.name!r}: its ending must be one of {', '.join(_STANDARDS)}")
    if not path.is_file():
        raise ConfigurationError(f"source {os.fspath(source)!r} does not exist")
    return path.resolve()


def _compiler(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ToolchainMissing(not_installed(name))
    return found


def _command(path: Path) -> list[str]:
    compiler, standard = _STANDARDS[path.suffix]
    # The seed becomes part of the names of internal symbols; the default is random.
    return [_compiler(compiler), standard, f"-frandom-seed={path.name}", f"-I{include_folder()}"]


def _run(command: list[str], source: Path, **environment: str) -> str:
    """Runs the compiler in the source's folder, so that it reads, and can embed, only relative names."""
    prefix_maps = [f"-ffile-prefix-map={source.parent}=.", f"-ffile-prefix-map={include_folder()}=include"]
    done = subprocess.run(
        [command[0], *prefix_maps, *command[1:]],
        cwd=source.parent,
        env={**os.environ, "LC_ALL": "C", "SOURCE_DATE_EPOCH": "0", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        words = (done.stderr or done.stdout).replace(f"{source.parent}{os.sep}", "")
        words = words.replace(str(include_folder()), "include")
        raise CompileError(f"{source.name} does not compile:\n{words.rstrip()}", output=words, source=source.name)
    return done.stdout
