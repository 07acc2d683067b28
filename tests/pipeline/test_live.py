"""live=true: a page shows a run or a sweep, started in any way, then its report; the server ends with the run."""

import contextlib
import http.client
import json
import signal
import socket
import urllib.parse
import urllib.request

import pytest

from .conftest import USER_CONFIGS
from .test_hand_over import ENDLESS, PROGRAM, running_in

SMALL = ("workload=vector_add", "workload.size=4096")


def address(lines):
    """The address of the page, from the first lines of the run."""
    for line in lines:
        if line.startswith("live"):
            return urllib.parse.urlsplit(line.split()[1])
    raise AssertionError("no line says where the page is")


@contextlib.contextmanager
def told(where):
    """The documents that a reader receives, until the last one."""
    connection = http.client.HTTPConnection(where.hostname, where.port)
    connection.request("GET", f"{where.path}events")
    answer = connection.getresponse()
    assert answer.status == 200
    try:
        yield (json.loads(line.removeprefix(b"data: ")) for line in answer if line.startswith(b"data: "))
    finally:
        connection.close()


def until(documents, holds):
    """The first document for which ``holds`` is true."""
    return next(document for document in documents if holds(document))


def under_way(document):
    run = document.get("run")
    return run and run["workers"] and run["workers"]["begun"]


def assert_gone(where):
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((where.hostname, where.port))


def test_the_page_of_a_run_shows_its_tasks_and_at_its_end_the_report(command):
    with command.start(*ENDLESS, "live=true", "+topology=chip2", "hydra.run.dir=run") as process:
        where = address(process.stdout)
        with told(where) as documents:
            run = until(documents, under_way)["run"]
            process.send_signal(signal.SIGINT)
            (*_, last) = documents
        _, err = process.communicate()
        assert_gone(where)
    assert run["title"] == "vector_add on chip2"
    assert [name for name, _, _ in run["stages"]] == ["describe", "build", "load", "start", "register"]
    assert (run["stage"]["name"], run["workers"]["names"]) == ("execute", ["add"])
    assert [child[:2] for child in run["workers"]["children"]] == [["chip 0", "chip"], ["chip 1", "chip"]]
    assert {row[4] for row in run["workers"]["begun"]} == {"running"}
    assert run["workers"]["stats"]["pending"] == 2
    report = command.folder / "run" / "report.html"
    assert last["end"] == {
        "status": "interrupted",
        "exit_code": 130,
        "error": "interrupted",
        "report": report.as_uri(),
        "html": report.read_text(),
    }
    assert (process.returncode, err) == (130, "error: interrupted\n")


def test_the_page_keeps_its_address_if_another_process_takes_the_job_over(command):
    with command.start(*ENDLESS, "live=true", program=PROGRAM) as process:
        where = address(process.stdout)
        for line in process.stdout:
            if line.startswith("registered"):
                break
        with told(where) as documents:
            until(documents, under_way)
            process.send_signal(signal.SIGINT)
            assert [*documents][-1]["end"]["status"] == "interrupted"
        process.communicate()
    assert_gone(where)


def test_a_killed_run_leaves_no_server_and_no_process(command):
    with command.start(*ENDLESS, "live=true") as process:
        where = address(process.stdout)
        with told(where) as documents:
            until(documents, under_way)
            process.kill()
            with pytest.raises((http.client.HTTPException, ConnectionError, StopIteration)):
                until(documents, lambda document: "end" in document)
        process.communicate()
    assert_gone(where)
    assert running_in(command.folder) == []


def test_a_sweep_shows_its_points_on_one_page_as_they_end(command):
    swept = ("-m", *USER_CONFIGS, *SMALL, "callable@workload.callables.add=vector_add,endless", "hydra.sweep.dir=sweep")
    with command.start(*swept, "worker.close_timeout=0.1", "live=true") as process:
        where = address(process.stdout)
        with told(where) as documents:
            sweep = until(documents, under_way)["sweep"]
            report = urllib.request.urlopen(f"{where.geturl()}point/0").read()
            process.send_signal(signal.SIGINT)
            (*_, last) = documents
        out, _ = process.communicate()
        assert_gone(where)
    assert out.count("live ") == 0  # the one such line was read above
    assert (sweep["total"], sweep["running"], sweep["keys"]) == (2, 1, ["kernel of add"])
    assert [(point["job"], point["status"], point["report"]) for point in sweep["points"]] == [
        (0, "ok", True),
        (1, "running", False),
    ]
    assert sweep["title"] == "Sweep of vector_add over kernel of add"
    assert report == (command.folder / "sweep" / "0" / "report.html").read_bytes()
    assert last["end"]["status"] == "interrupted"
    assert last["end"]["report"] == (command.folder / "sweep" / "sweep.html").as_uri()


def test_points_in_other_processes_appear_with_their_results(command):
    pytest.importorskip("joblib", reason="needs joblib: pip install '.[sweep]'")
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="pip install '.[sweep]'")
    swept = ("-m", *USER_CONFIGS, *SMALL, "workload.seed=1,-1", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    with command.start(*swept, "live=true", "hydra.sweep.dir=sweep") as process:
        where = address(process.stdout)
        with told(where) as documents:
            *_, before, last = documents
        process.communicate()
    assert before["run"] is None
    assert {point["status"] for point in before["sweep"]["points"]} <= {"ok", "error", "running", "waiting"}
    assert last["end"]["exit_code"] == process.returncode == 1


@pytest.mark.parametrize("output", ["json", "quiet"])
def test_the_address_is_printed_on_standard_error_if_the_output_is_not_lines(inside, output):
    done = inside(*SMALL, "live=true", f"output={output}")
    assert done.code == 0
    assert address(done.err.splitlines()).hostname == "127.0.0.1"
    assert "live  " not in done.out


def test_a_port_in_use_ends_the_run_before_anything_is_started(inside):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = inside(*SMALL, "live=true", f"live_port={port}")
        swept = inside("-m", *SMALL, "workload.seed=1,2", "live=true", f"live_port={port}")
    said = f"error: live_port={port}: is already in use; choose another, or 0 for any free port"
    assert (done.code, done.err[: len(said)]) == (1, said)
    assert (swept.code, swept.err[: len(said)]) == (1, said)
    assert "started" not in done.out + swept.out


def test_without_live_there_is_no_server_and_its_module_is_not_imported(command):
    program = "import sys; from pipeline import app; code = app.main(); print(sorted(sys.modules)); sys.exit(code)"
    with command.start(*SMALL, "output=quiet", program=("-c", program)) as process:
        out, _ = process.communicate()
    assert process.returncode == 0
    assert "pipeline.live" not in out
    assert "http.server" not in out
