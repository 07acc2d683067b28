"""Bad input gets one clear message on standard error and the exit code that belongs to it, and leaves nothing."""

import json
import os
import re
import signal

import pytest

from .conftest import USER_CONFIGS

SMALL = ("workload=vector_add", "workload.size=4096")
ALLOWED = "python_packages=[pipeline,user_programs]"


def adds_with(callable_name):
    return (*USER_CONFIGS, *SMALL, f"callable@workload.callables.add={callable_name}")


def looks_with(callable_name, packages=ALLOWED):
    changed = f"callable@workload.callables.look={callable_name}"
    return (*USER_CONFIGS, "workload=checked_sum", "+topology=node", packages, changed)


CONFIGURATION = [
    pytest.param(["topology=chip8"], ["topology", "+topology="], id="a plus is missing"),
    pytest.param(["+topology=chip9"], ["topology=chip9", "chip8", "node"], id="the topology is unknown"),
    pytest.param(
        ["workload=vector_ad"], ["workload=vector_ad", "did you mean vector_add?"], id="the workload is unknown"
    ),
    pytest.param(["target=a9"], ["target=a9", "a2a3sim", "a5sim"], id="the target is unknown"),
    pytest.param(["tpology=chip8"], ["tpology", "did you mean topology?"], id="the group is unknown"),
    pytest.param(["+tpology=chip8"], ["tpology", "did you mean topology?"], id="an added group is unknown"),
    pytest.param(
        ["workload=vector_add", "workload.siez=3"],
        ["workload.siez", "did you mean workload.size?"],
        id="a workload's key is misspelt",
    ),
    pytest.param(
        ["workload=vector_add", "+workload.siez=3"],
        ["workload.siez", "did you mean size?"],
        id="an added workload's key is misspelt",
    ),
    pytest.param(
        ["topologgy.chips=1"], ["topologgy.chips", "did you mean topology.chips?"], id="a section is misspelt"
    ),
    pytest.param(["topology.chps=1"], ["topology.chps", "did you mean topology.chips?"], id="a key is misspelt"),
    pytest.param(["++topology.chps=1"], ["topology.chps=1", "topology.chips"], id="a forced key is misspelt"),
    pytest.param(["workload=vector_add", "workload.size=abc"], ["workload.size='abc'", "int"], id="a size is a word"),
    pytest.param(
        ["+topology=chip8", "topology.chips=x"],
        ["topology.chips=x", "must be an integer"],
        id="a number of chips is a word",
    ),
    pytest.param(["stage=bild"], ["stage=bild", "did you mean build?"], id="the stage is misspelt"),
    pytest.param(["output=jsn"], ["output=jsn", "did you mean json?"], id="the output is misspelt"),
    pytest.param(["worker.start_timeout=soon"], ["worker.start_timeout=soon", "number"], id="a timeout is a word"),
    pytest.param(["worker.start_timeout=-1"], ["worker.start_timeout=-1", "more than 0"], id="a timeout is negative"),
    pytest.param(["worker.cores_per_chip=0"], ["worker.cores_per_chip=0", "1 to"], id="a chip has no core"),
    pytest.param(["topology.chips=0"], ["topology.chips=0", "at least 1"], id="there is no chip"),
    pytest.param(["topology.chips=-1"], ["topology.chips=-1", "at least 1"], id="there are negative chips"),
    pytest.param(["topology.sub_workers=-1"], ["topology.sub_workers=-1", "0 or more"], id="sub-workers are negative"),
    pytest.param(["topology.level=4"], ["topology.level=4", "must be 3", "topology.chips=1"], id="chips at level 4"),
    pytest.param(["workload.repeat=0"], ["workload.repeat=0", "from 1"], id="a run repeats zero times"),
    pytest.param(["target.platform=a9"], ["target.platform='a9'", "a2a3sim"], id="the platform is unknown"),
    pytest.param(["target=a2a3"], ["target.platform='a2a3'", "CANN", "a2a3sim"], id="a2a3 lacks its toolkit"),
    pytest.param(["target=a5"], ["target.platform='a5'", "CANN", "a5sim"], id="a5 lacks its toolkit"),
    pytest.param(adds_with("missing_source"), ["callables.add.source='kernels/nowhere.cpp'"], id="no such source"),
    pytest.param(adds_with("misspelt_key"), ["callables.add.sourse", "did you mean source?"], id="sourse, not source"),
    pytest.param(adds_with("wrong_summ"), ["wrong_summ", "did you mean wrong_sum?"], id="the callable is unknown"),
    pytest.param(
        [*SMALL, "workload.callables.add.signature=[in,inn,out]"],
        ["workload.callables.add.signature", "'inn'", "inout"],
        id="a direction is misspelt",
    ),
    pytest.param(
        [*SMALL, "workload.callables.add.entry=vector_sub"],
        ["write +workload.callables.add.entry="],
        id="a plus is missing before a key",
    ),
    pytest.param([*USER_CONFIGS, "workload=no_callable"], ["workload.callables.add", "missing"], id="no callable"),
    pytest.param(
        looks_with("raises", "python_packages=[pipeline]"),
        ["workload.program", "user_programs", "python_packages"],
        id="a program comes from a package that is not allowed",
    ),
    pytest.param(
        looks_with("disallowed"),
        ["workload.callables.look.target='os:system'", "pipeline, user_programs"],
        id="a target comes from a package that is not allowed",
    ),
    pytest.param(looks_with("not_importable"), ["callables.look.target", "nowhere"], id="no such module"),
    pytest.param(
        looks_with("fails_on_import"), ["callables.look.target", "the weights are not here"], id="a module that raises"
    ),
    pytest.param(looks_with("no_attribute"), ["callables.look.target", "did you mean raises?"], id="no such function"),
]

BUILD = [
    pytest.param(
        adds_with("does_not_compile"),
        ["workload.callables.add", "does_not_compile.cpp", "expected ';'"],
        id="a kernel does not compile",
    ),
    pytest.param(
        adds_with("other_signature"),
        ["workload.callables.add", "[in, in, out]", "[in, in, inout]"],
        id="a signature contradicts the source",
    ),
    pytest.param(
        [*SMALL, "+workload.callables.add.entry=vector_sub"],
        ["workload.callables.add", "'vector_sub'", "vector_add"],
        id="an entry is not in the source",
    ),
    pytest.param([*SMALL, "build.kernel_flags=[-fnope]"], ["-fnope"], id="a flag is unknown to the compiler"),
]

TASKS = [
    pytest.param(adds_with("wrong_sum"), 4, ["41 of 4096", "first at [7]", "worst at [4007]"], id="a sum is wrong"),
    pytest.param(adds_with("refuses"), 4, ["refuses", "code 7", "sha256:", "chip 0"], id="a kernel returns 7"),
    pytest.param(
        adds_with("segfault"), 5, ["segfault", "sha256:", "chip 0", "SIGSEGV"], id="a kernel writes where nothing is"
    ),
]


def assert_nothing_remains(process_group):
    with pytest.raises(ProcessLookupError):
        os.killpg(process_group, 0)


@pytest.mark.parametrize(("arguments", "words"), CONFIGURATION)
def test_a_mistake_in_a_configuration_is_explained(command, arguments, words):
    done = command(*arguments)
    assert done.code == 1
    assert [word for word in words if word not in done.err] == []
    assert done.err.count("error: ") == 1
    assert "Traceback" not in done.err + done.out
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(("arguments", "words"), BUILD)
def test_a_failed_build_shows_why_before_anything_starts(command, arguments, words):
    done = command(*arguments)
    assert done.code == 3
    assert [word for word in words if word not in done.err] == []
    assert "Traceback" not in done.err + done.out
    assert "started" not in done.out


@pytest.mark.parametrize(("arguments", "code", "words"), TASKS)
def test_a_failed_run_says_where(command, arguments, code, words):
    with command.start(*arguments, start_new_session=True) as process:
        _, err = process.communicate()
    assert process.returncode == code
    assert [word for word in words if word not in err] == []
    assert "Traceback" not in err
    assert len(err.splitlines()) == 1
    assert_nothing_remains(process.pid)


def test_a_python_callable_that_raises_is_shown_with_its_own_traceback(command):
    done = command(*looks_with("raises"))
    assert done.code == 4
    assert "ValueError: no good: 1 tensors" in done.err
    assert re.search(r"in sub-worker \d, callable raises \(sha256:[0-9a-f]{64}\)", done.err)
    # Of the user's code, and only once.
    assert done.err.count("Traceback") == 1
    assert "pipeline/job.py" not in done.err


@pytest.mark.parametrize("to", ["the process", "its whole group, as a terminal does"])
def test_an_interrupt_ends_a_run_with_130_and_no_process(command, to):
    arguments = (*adds_with("endless"), "+topology=node", "worker.close_timeout=0.1", "hydra.run.dir=run")
    with command.start(*arguments, start_new_session=True) as process:
        for line in process.stdout:
            if line.startswith("registered"):
                break
        if to == "the process":
            process.send_signal(signal.SIGINT)
        else:
            os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130
    assert err == "error: interrupted\n"
    assert_nothing_remains(process.pid)
    assert json.loads((command.folder / "run" / "result.json").read_text())["status"] == "interrupted"


def test_a_failed_point_of_a_sweep_is_explained_and_costs_no_other(command):
    swept = "callable@workload.callables.add=segfault,does_not_compile,wrong_sum,vector_add"
    done = command("-m", *USER_CONFIGS, *SMALL, swept, "workload.seed=1", "hydra.sweep.dir=sweep")
    assert done.code == 5
    results = [json.loads((done.folder / "sweep" / str(i) / "result.json").read_text()) for i in range(4)]
    assert [result["status"] for result in results] == ["worker_lost", "build_failed", "failed", "ok"]
    failed = [line for line in done.err.splitlines() if line.startswith("failed: ")]
    assert [line.partition(" (")[0] for line in failed] == ["failed: job 0", "failed: job 1", "failed: job 2"]
    assert "Traceback" not in done.err


def test_with_json_output_an_error_is_on_standard_error_and_in_the_document(command):
    done = command(*adds_with("segfault"), "output=json")
    assert done.code == 5
    document = json.loads(done.out)
    assert document["exit_code"] == 5
    assert f"error: {document['error']}\n" == done.err


def test_an_unknown_option_of_the_command_is_a_mistake_in_the_configuration(command):
    done = command("--nonsense")
    assert done.code == 1
    assert "--nonsense" in done.err


def test_a_mistake_found_by_hydra_leaves_nothing_behind(command):
    assert command("+topology=chip9").code == 1
    assert list(command.folder.iterdir()) == []
