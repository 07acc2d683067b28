"""The thread-local variables of the core."""

import platform
import re
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection

from runtime import _core
from tests.native.presets import NATIVE

_TPOFF64 = 18  # R_X86_64_TPOFF64: the variable must lie in the storage that a thread has from its beginning


@pytest.mark.skipif(platform.machine() != "x86_64", reason="looks for a relocation of x86-64")
def test_the_core_loads_where_another_library_has_placed_its_thread_local_variables_elsewhere():
    """As in a process of Ray, whose libraries have placed those of libstdc++."""
    with Path(_core.__file__).open("rb") as file:
        elf = ELFFile(file)
        symbols = elf.get_section_by_name(".dynsym")
        relocations = [
            each
            for section in elf.iter_sections()
            if isinstance(section, RelocationSection)
            for each in section.iter_relocations()
            if each["r_info_type"] == _TPOFF64
        ]
        assert relocations
        wanted = {symbols.get_symbol(each["r_info_sym"]).name for each in relocations if each["r_info_sym"]}
    assert not wanted


def test_each_thread_local_variable_of_the_core_has_its_memory_before_its_first_use():
    for path in sorted(path for ending in ("*.h", "*.cpp") for path in NATIVE.rglob(ending)):
        if (NATIVE / "tests") in path.parents:
            continue
        code = re.sub(r"//.*", "", path.read_text())
        early = re.findall(r'\[\[gnu::tls_model\("initial-exec"\)\]\][^;]*?thread_local', code)
        assert len(early) == code.count("thread_local"), path
