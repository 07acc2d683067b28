"""Points on the machines of a cluster: on fake ones, which are processes of this machine, and with Ray itself."""

import csv
import pickle
import signal
import time

import pytest

from pipeline.sweep.far_points import Settings, differences, facts_here
from runtime.hosting.door import HostLost
from runtime.hosting.far_process import FarProcess
from tests.hosting.conftest import NO_RAY
from tests.patience import patience
from tests.process_tree import descendants

SWEPT = ("-m", "workload=vector_add", "workload.size=64,-1,128", "hydra.sweep.dir=sweep")
FAKE = ("hydra/launcher=ray", "hydra.launcher.kind=fake", f"worker.start_timeout={patience(60)}")
ONE = (*FAKE, "hydra.launcher.machines=1")


def rows(done):
    with (done.folder / "sweep" / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def on_job(command, event, body):
    """A Hydra callback of the command's folder that executes ``body`` in each point."""
    lines = [
        "import os, pathlib, time",
        "from hydra.experimental.callback import Callback",
        "class Happens(Callback):",
        f"    def on_job_{event}(self, config, **_):",
        "        number = config.hydra.job.num",
        *(f"        {line}" for line in body),
    ]
    (command.folder / "happens.py").write_text("\n".join(lines))
    return "+hydra.callbacks.happens._target_=happens.Happens"


def test_points_on_a_machine_share_its_workers_and_have_the_results_of_every_sweep(command):
    done = command(*SWEPT, *ONE, "output=verbose", "hydra.sweeper.max_batch_size=2")
    assert done.code == 1, done.out + done.err
    assert [row["status"] for row in rows(done)] == ["ok", "error", "ok"]
    assert "workload.size=-1: at least 1 element" in done.err
    assert (done.out.count("started     1 chip"), done.out.count("warm        1 chip")) == (1, 1), done.out + done.err
    assert "job 2       3/3     ok" in done.out
    assert {file.name for file in (done.folder / "sweep" / "2").iterdir()} >= {"result.json", "report.html", "run.log"}
    assert not list((done.folder / "sweep").glob(".sweep-*"))


def test_points_that_run_at_once_keep_their_order_in_the_results(command):
    done = command(*SWEPT, *FAKE, "hydra.launcher.machines=1", "hydra.launcher.points_per_machine=2")
    assert done.code == 1, done.out + done.err
    assert [(row["job"], row["workload.size"], row["status"]) for row in rows(done)] == [
        ("0", "64", "ok"),
        ("1", "-1", "error"),
        ("2", "128", "ok"),
    ]


def test_a_process_that_is_killed_loses_its_point_and_the_machine_runs_the_next_one(command):
    done = command(*SWEPT, *ONE, on_job(command, "start", ["if number == 1: os.kill(os.getpid(), 9)"]))
    assert done.code == 5, done.out + done.err
    assert [row["status"] for row in rows(done)] == ["ok", "lost", "ok"]
    assert "failed: job 1 (workload.size=-1): exit code 5: machine fake-0: its process " in done.err
    assert "has ended (status -9)" in done.err


def test_points_for_which_no_machine_is_left_fail_with_the_reason(command):
    breaks = "pathlib.Path('numpy.py').write_text('raise ImportError(1)')"
    body = ["if number == 1:", f"    {breaks}", "    os.kill(os.getpid(), 9)"]
    done = command(*SWEPT, *ONE, on_job(command, "start", body))
    assert done.code == 5, done.out + done.err
    assert [row["status"] for row in rows(done)] == ["ok", "lost", "lost"]
    assert "exit code 5: no machine is left: machine fake-0: callring does not start for" in done.err


def test_a_run_directory_on_a_machine_that_shares_no_files_is_brought_home(command):
    # Without the sweep's mark, the machine takes its files for others; the link stays behind when they travel.
    body = [
        "[mark.unlink() for mark in pathlib.Path('sweep').glob('.sweep-*')]",
        "os.link(f'sweep/{number}/.hydra/config.yaml', f'kept-{number}')",
    ]
    done = command(*SWEPT, *ONE, on_job(command, "start", body))
    assert done.code == 1, done.out + done.err
    assert [row["status"] for row in rows(done)] == ["ok", "error", "ok"]
    for number in range(3):
        assert (done.folder / f"kept-{number}").stat().st_nlink == 1
        assert (done.folder / "sweep" / str(number) / ".hydra" / "config.yaml").is_file()


def test_an_interrupt_ends_the_points_and_leaves_no_process(command):
    begun = command.folder / "begun"
    body = [f"pathlib.Path({str(begun)!r}).touch()", "time.sleep(600)"]
    before = descendants()
    with command.start(*SWEPT, *ONE, on_job(command, "start", body)) as process:
        while not begun.exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode == 130
    while descendants() - before:
        time.sleep(0.05)


def test_a_plan_connects_to_no_cluster(command):
    done = command("-m", "workload=vector_add", "workload.size=64,128", "stage=plan", "hydra/launcher=ray")
    assert done.code == 0, done.err
    assert done.out.count("would run") == 2, done.out


def test_a_machine_needs_the_folder_in_which_the_sweep_is_started():
    far = FarProcess("pipeline.sweep.far_points:FarPoints")
    settings = Settings("/no/such/folder", [], [], {}, "app")
    ((facts, lacks),) = far.call("hello", pickle.dumps((settings,)), [], control=False)
    far.kill()
    with pytest.raises(HostLost, match="has ended"):
        far.call("clock", pickle.dumps(()), [], control=True)
    assert differences(facts_here(), facts) == []
    assert (
        lacks == "/no/such/folder: No such file or directory: a machine needs the folder in which the sweep is started"
    )


def test_a_machine_with_other_versions_or_another_callring_is_refused_with_each_difference():
    mine = facts_here()
    found = differences(mine, {**mine, "hydra-core": "1.2.0", "files": "another digest", "libc": "musl"})
    assert found == [
        f"hydra-core is 1.2.0 there and {mine['hydra-core']} here",
        "the Python code of Callring differs there",
    ]


@pytest.mark.skipif(bool(NO_RAY), reason=NO_RAY)
def test_ray_on_this_machine_runs_the_points(command):
    done = command(*SWEPT, "hydra/launcher=ray", "hydra.launcher.address=local", f"worker.start_timeout={patience(60)}")
    assert done.code == 1, done.out + done.err
    assert [row["status"] for row in rows(done)] == ["ok", "error", "ok"]
