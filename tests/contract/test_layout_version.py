"""Both ends of a lane must have the same layout version: tested with a child that is built for another one."""

import shutil
import socket
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from runtime import Worker
from runtime.errors import StartError
from runtime.processes import spawning
from tests.contract.conftest import LAYOUT_VERSION, NATIVE

OTHER = LAYOUT_VERSION + 95
PARTS = ("child_side", "chip", "control", "graph", "identity", "lane", "memory")


@pytest.fixture(scope="module")
def other_child(tmp_path_factory):
    """The folder of a core whose chip program, built from the same sources, has another layout version."""
    folder = tmp_path_factory.mktemp("other")
    (folder / "bin").mkdir()
    sources = [path for part in PARTS for path in (NATIVE / part).glob("*.cpp") if path.stem != "python_store"]
    sources.append(NATIVE / "processes" / "process.cpp")
    compiler = shutil.which("g++")
    flags = ["-std=c++20", "-O0", f"-DCALLRING_LAYOUT_VERSION={OTHER}", f"-I{NATIVE}", f"-I{NATIVE / 'include'}"]

    def compile_one(source):
        target = folder / f"{source.parent.name}-{source.stem}.o"
        subprocess.run([compiler, *flags, "-c", source, "-o", target], check=True)
        return target

    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(compile_one, sources))
    program = folder / "bin" / "callring-chip"
    subprocess.run([compiler, *objects, "-ldl", "-lpthread", "-o", program], check=True)
    return folder


def test_a_child_of_another_layout_version_does_not_start_and_the_error_names_both(other_child, monkeypatch):
    monkeypatch.setattr(spawning, "core_folder", lambda: other_child)
    with pytest.raises(StartError, match=rf"chip 0.*layout version {OTHER}.*{LAYOUT_VERSION}"):
        Worker(chips=1).init()


def test_a_child_refuses_a_parent_of_another_layout_version_and_ends(other_child):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    program = other_child / "bin" / "callring-chip"
    with (
        ours,
        theirs,
        subprocess.Popen(["bash", "-c", f'exec "{program}" 3<&{theirs.fileno()}'], pass_fds=[theirs.fileno()]) as child,
    ):
        theirs.close()
        ours.send(struct.pack("<IIIIQQII32x", 0x43524C43, LAYOUT_VERSION, 1, 0, 1, 0, 0, 0))
        _, version = struct.unpack_from("<II", ours.recv(4096))
        assert version == OTHER
        assert child.wait(10) == 1
