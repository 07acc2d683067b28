"""All system calls of the native core go through ``native/common/system_calls.h``."""

import shutil
import subprocess
import sysconfig

import pytest

from tests.faults import sources


def built_library():
    """The core's own code, as it was built for this Python; skips the test if there is none."""
    version = sysconfig.get_config_var("py_version_nodot")
    found = list((sources.NATIVE.parent / "build").glob(f"cp{version}-*/libcallring_core.a"))
    if shutil.which("nm") is None:
        pytest.skip("binutils are not installed")
    if not found:
        pytest.skip("no build of the core for this Python in build/")
    return found[0]


def test_every_system_call_of_the_core_goes_through_its_table():
    passing_by = {str(path.relative_to(sources.NATIVE)): sources.passing_by(path) for path in sources.sources()}
    assert {file: lines for file, lines in passing_by.items() if lines} == {}


def test_every_call_of_the_table_is_used_and_every_use_is_in_it():
    assert {site.call for site in sources.sites()} == sources.table().keys() - {"operator_new"}


@pytest.mark.parametrize(
    "line",
    [
        "    if (::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED) {",
        "    const int fd = ::open(path, O_RDONLY);",
        "    void* block = malloc(bytes);",
        "    std::thread worker([] {});",
        "    thread_ = std::thread([this] { loop(); });",
    ],
)
def test_a_call_that_bypasses_the_table_is_found(line, tmp_path):
    (tmp_path / "file.cpp").write_text(f"void f() {{\n{line}\n}}\n")
    assert sources.passing_by(tmp_path / "file.cpp") == [(2, line.strip())]


def test_every_function_of_the_c_library_is_in_the_table_or_has_a_reason_not_to_be():
    listing = subprocess.run(["nm", "-u", built_library()], capture_output=True, text=True, check=True).stdout
    names = {line.split()[1] for line in listing.splitlines() if line.startswith(" ")}
    ours_or_of_the_language = ("_Z", "__cxa", "_Unwind", "__gxx", "__once", "__dso", "_GLOBAL_", "__libc", "__tls")
    known = sources.table().keys() | sources.WITHOUT_FAILURE.keys() | {"syscall"}
    assert {name for name in names if not name.startswith(ours_or_of_the_language)} - known == set()


def test_a_place_that_was_reached_counts_as_the_nearest_site_whatever_its_path_and_line():
    site = next(site for site in sources.sites() if site.file.endswith(".h"))
    place = (site.call, f"../../../native/{site.file}", site.line - 1)
    assert sources.reached([place, ("no_call", site.file, site.line)]) == {site}
