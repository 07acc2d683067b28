"""A job that needs another core than the loaded one continues in a process that loads it."""

import contextlib
import json
import signal
import time
from pathlib import Path

from pipeline.building.store import Store

from .conftest import USER_CONFIGS

SMALL = ("workload=vector_add", "workload.size=4096")
PRETENDS_TO_HAVE_ANOTHER_CORE = """
import sys
from pipeline import app
from pipeline.building import core as core_build
find_core = core_build.find_core
core_build.find_core = lambda described: find_core(described)._replace(loaded=False)
sys.exit(app.main())
"""
PROGRAM = ("-c", PRETENDS_TO_HAVE_ANOTHER_CORE)
ENDLESS = (*USER_CONFIGS, *SMALL, "callable@workload.callables.add=endless", "worker.close_timeout=0.1")


def until_registered(process):
    for line in process.stdout:
        if line.startswith("registered"):
            return


def running_in(folder):
    """Processes with this working folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink() == folder:
                found.append(process.name)
    return found


def test_the_other_process_reports_once_and_its_exit_code_is_that_of_the_run(command):
    with command.start(*SMALL, "output=json", program=PROGRAM) as process:
        out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert json.loads(out)["status"] == "ok"


def test_the_other_process_finds_the_modules_beside_the_users_configs(command):
    (command.folder / "mine").mkdir()
    (command.folder / "mine" / "beside.py").write_text(
        "def sums(tensors, sizes):\n    return {'out': tensors['left'] + tensors['right']}\n"
    )
    found = ("--config-dir", "mine", f"hydra.searchpath=[file://{USER_CONFIGS[1]}]", "workload=declared_sums")
    golden = ("python_packages=[pipeline,beside,user_programs]", "workload.verify.golden=beside:sums")
    with command.start(*found, *golden, "+topology=node", program=PROGRAM) as process:
        _, err = process.communicate()
    assert (err, process.returncode) == ("", 0)


def test_a_failure_of_the_other_process_is_reported_once(command):
    arguments = (*USER_CONFIGS, *SMALL, "callable@workload.callables.add=segfault")
    with command.start(*arguments, program=PROGRAM) as process:
        _, err = process.communicate()
    assert process.returncode == 5
    assert err.count("error: ") == 1


def test_an_interrupt_of_one_process_reaches_the_other(command):
    with command.start(*ENDLESS, "hydra.run.dir=run", program=PROGRAM) as process:
        until_registered(process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130
    assert err == "error: interrupted\n"
    assert json.loads((command.folder / "run" / "result.json").read_text())["status"] == "interrupted"
    assert running_in(command.folder) == []


def test_the_other_process_does_not_outlive_the_first(command):
    with command.start(*ENDLESS, program=PROGRAM) as process:
        until_registered(process)
        process.kill()
        process.communicate()  # returns when the last process that can write to its pipes has ended
    while running_in(command.folder):
        time.sleep(0.01)


def test_a_core_that_differs_from_its_key_is_refused_instead_of_tried_for_ever(command_with_own_store, tmp_path):
    from types import SimpleNamespace

    from pipeline.building import core as core_build

    debug = SimpleNamespace(
        build="debug", cmake_build_type="Debug", sanitizer="", store=tmp_path / "store", kernel_flags=("-O0",)
    )
    loaded = core_build.find_core(SimpleNamespace(**{**vars(debug), "cmake_build_type": "Release"}))

    def a_release_core(folder):
        (folder / "runtime").mkdir()
        for file in loaded.folder.iterdir():
            if file.is_file() and not file.name.endswith(".py"):
                (folder / "runtime" / file.name).write_bytes(file.read_bytes())
                (folder / "runtime" / file.name).chmod(0o755)

    Store(tmp_path / "store", "cores").put(core_build.find_core(debug).key, a_release_core)
    done = command_with_own_store(*SMALL, "build=debug")
    assert done.code == 5
    assert "build=debug" in done.err
    assert done.err.count("error: ") == 1
