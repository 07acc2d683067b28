"""A failing run reports the place in one message on standard error, has its exit code, and leaves no process."""

import gzip
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


TASKS = [
    pytest.param(adds_with("wrong_sum"), 4, ["41 of 4,096", "first at [7]", "worst at [4007]"], id="a sum is wrong"),
    pytest.param(
        adds_with("refuses"),
        4,
        ["callable add failed", "code 7", "kernel refuses", "sha256:", "chip 0"],
        id="a kernel returns 7",
    ),
    pytest.param(
        adds_with("segfault"),
        5,
        ["callable add", "sha256:", "chip 0", "SIGSEGV", "lost: task 0 of run 1 (add) on chip 0"],
        id="a kernel writes nowhere",
    ),
]


def assert_nothing_remains(process_group):
    with pytest.raises(ProcessLookupError):
        os.killpg(process_group, 0)


@pytest.mark.parametrize(("arguments", "code", "words"), TASKS)
def test_the_error_of_a_failed_run_has_its_place(command, arguments, code, words):
    with command.start(*arguments, start_new_session=True) as process:
        _, err = process.communicate()
    assert process.returncode == code
    assert [word for word in words if word not in err] == []
    assert "Traceback" not in err
    assert len(err.splitlines()) == 1
    assert_nothing_remains(process.pid)


def test_output_of_workers_before_their_death_is_passed_on_and_in_the_report(command):
    done = command(*adds_with("says_then_dies"), "+topology=chip2", "worker.cores_per_chip=1", "hydra.run.dir=run")
    assert done.code == 5
    said = "[chip] info: block 0 of 1 begins"
    assert done.err.count(said) == 2
    words = r"lost: task (\d) of run 1 \(add\) on chip \1, and 1 more on chip \d$"
    assert re.search(words, done.err.splitlines()[-1])
    page = (done.folder / "run" / "report.html").read_text()
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, flags=re.DOTALL)[1])
    assert data["failure"]["output"].count(said) == 2
    assert data["failure"]["sources"][0]["file"].endswith("says_then_dies.cpp")
    assert [one["command"].split()[-1] for one in data["failure"]["next"]] == ["build=asan"]
    assert data["failure"]["next"][0]["command"].startswith("python -m pipeline --config-dir ")


def test_a_python_callable_that_raises_is_shown_with_its_own_traceback(command):
    done = command(*looks_with("raises"))
    assert done.code == 4
    assert "ValueError: no good: 1 tensors" in done.err
    assert re.search(r"in sub-worker \d, callable look \(sha256:[0-9a-f]{64}\)", done.err)
    # The traceback is that of the user's code, and appears only once.
    assert done.err.count("Traceback") == 1
    assert "pipeline/run/job.py" not in done.err


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
        out, err = process.communicate()
    ending = "ending      interrupted: waits for the workers to end, at most 0.1 s (worker.close_timeout), then reports"
    assert ending in out
    assert out.index(ending) < out.index("reported    run")
    assert (process.returncode, err) == (130, "error: interrupted\n")
    assert_nothing_remains(process.pid)
    assert json.loads((command.folder / "run" / "result.json").read_text())["status"] == "interrupted"


def test_the_report_of_an_interrupted_run_draws_the_last_tasks_and_counts_all(command):
    many = (
        "workload=small_tasks",
        "workload.sizes.tasks=15000",
        "workload.warm_up=2",
        "workload.repeat=1000000",
        "+topology=chip2",
    )
    with command.start(*many, "hydra.run.dir=run", start_new_session=True) as process:
        for line in process.stdout:
            if line.startswith("warmed up"):
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, err) == (130, "error: interrupted\n")
    result = json.loads((command.folder / "run" / "result.json").read_text())
    total = result["tasks"]["count"]
    (drawn,) = re.findall(rf"^reporting +{total:,} tasks, and draws the last ([\d,]+) of them$", out, re.MULTILINE)
    trace = json.loads(gzip.decompress((command.folder / "run" / "trace.json.gz").read_bytes()))
    kept = int(drawn.replace(",", ""))
    assert sum(event.get("cat") == "complete" for event in trace["traceEvents"]) == kept <= 20_000
    assert trace["otherData"]["left_out_tasks"] == total - kept


@pytest.mark.parametrize("how", ["inside_exec", "while_loading"])
def test_an_interrupt_at_any_point_ends_with_130(command, how):
    program = f"workload.verify.golden=user_programs.interrupted:{how}"
    done = command(*USER_CONFIGS, "workload=declared_sums", "+topology=node", ALLOWED, program)
    assert (done.code, done.err) == (130, "error: interrupted\n")


def test_a_failed_point_of_a_sweep_is_explained_and_does_not_affect_the_others(command):
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


def test_an_error_found_by_hydra_leaves_no_files(command):
    assert command("+topology=chip9").code == 1
    assert list(command.folder.iterdir()) == []
