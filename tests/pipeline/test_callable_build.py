"""A callable is built again if one of its sources or headers has changed, in any folder."""

import shutil

import pytest

from pipeline.building.chip_callables import CallableBuilder
from pipeline.config.callables import describe_callables
from pipeline.config.targets import Lookup
from runtime.toolchain import included_files

KERNEL = """#include <callring/chip.h>
#include "amount.h"
CALLRING_EXPORT int {name}(const callring_block *, const callring_args *args) {{
    static_cast<float *>(args->tensors[0].data)[0] = AMOUNT;
    return 0;
}}
"""
ENTRY = """#include <callring/chip.h>
CALLRING_EXPORT int both(const callring_chip *, const callring_args *) { return 0; }
"""


@pytest.fixture
def make_spec():
    """Makes two kernels whose sources have the same name, in separate folders, each with a header beside it."""

    def make(folder):
        folder.mkdir(parents=True)
        (folder / "both.cpp").write_text(ENTRY)
        kernels = []
        for name in ("first", "second"):
            (folder / name).mkdir()
            (folder / name / "kernel.cpp").write_text(KERNEL.format(name=name))
            (folder / name / "amount.h").write_text("#define AMOUNT 1\n")
            kernels.append({"name": name, "source": f"{name}/kernel.cpp", "signature": ["out"]})
        config = {"kind": "chip", "source": "both.cpp", "signature": ["out"], "kernels": kernels}
        ((spec,), _) = describe_callables({"both": config}, Lookup([folder], []))
        return spec

    return make


@pytest.mark.parametrize("changed", ["first", "second"])
def test_a_changed_header_is_noticed_though_two_sources_have_one_name(make_spec, tmp_path, changed):
    spec = make_spec(tmp_path / "here")
    builder = CallableBuilder(tmp_path / "store", "a2a3sim", ())
    built = builder.build(spec)
    assert builder.find(spec) == built
    (tmp_path / "here" / changed / "amount.h").write_text("#define AMOUNT 2\n")
    assert builder.find(spec) is None
    assert builder.build(spec).blob != built.blob


def test_another_clone_with_the_same_store_gets_no_bytes_of_other_headers(make_spec, tmp_path):
    here, there = make_spec(tmp_path / "here"), make_spec(tmp_path / "there" / "deeper")
    (tmp_path / "there" / "deeper" / "first" / "amount.h").write_text("#define AMOUNT 2\n")
    builder = CallableBuilder(tmp_path / "store", "a2a3sim", ())
    built = builder.build(here)
    assert builder.find(there) is None
    assert builder.build(there).blob != built.blob
    assert builder.find(here) == built


def test_another_clone_with_the_same_store_builds_nothing_again(make_spec, tmp_path):
    builder = CallableBuilder(tmp_path / "store", "a2a3sim", ())
    built = builder.build(make_spec(tmp_path / "here"))
    there = make_spec(tmp_path / "there")
    shutil.rmtree(tmp_path / "here")
    assert builder.find(there) == built


@pytest.mark.parametrize(
    "folder", ["with a space", "a # sign", "$HOME", "back\\slash", "ends in a \\ ", "tab\tin it", "ü"]
)
def test_sources_and_headers_are_found_in_folders_of_any_name(make_spec, tmp_path, folder):
    spec = make_spec(tmp_path / folder)
    builder = CallableBuilder(tmp_path / "store", "a2a3sim", ())
    built = builder.build(spec)
    (tmp_path / folder / "first" / "amount.h").write_text("#define AMOUNT 2\n")
    assert builder.build(spec).blob != built.blob


def test_every_header_of_a_source_is_found_under_any_name(tmp_path):
    names = ["a b.h", "a#b.h", "a$b.h", "a\\b.h", "a\\ b.h", "plain.h"]
    source = tmp_path / "source.cpp"
    source.write_text("".join(f'#include "{name}"\n' for name in names))
    for name in names:
        (tmp_path / name).touch()
    assert included_files(source) == [source, *(tmp_path / name for name in names)]
