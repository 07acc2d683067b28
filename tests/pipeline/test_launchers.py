"""The results of points that Hydra's launchers run in other processes are collected like all others."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from .conftest import USER_CONFIGS

SWEPT = ("-m", "workload=vector_add", "+topology=node", "workload.size=64,-1,128", "hydra.sweep.dir=sweep")


@pytest.mark.parametrize(
    ("plugin", "arguments"),
    [
        ("joblib", ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]),
        ("submitit", ["hydra/launcher=submitit_local"]),
    ],
)
def test_a_launcher_runs_every_point_and_a_failed_one_does_not_affect_the_others(command, plugin, arguments):
    pytest.importorskip(plugin, reason=f"{plugin} (the sweep extra) is not installed")
    done = command(*SWEPT, *arguments)
    assert done.code == 1, done.out + done.err
    with (done.folder / "sweep" / "results.csv").open(newline="") as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["ok", "error", "ok"]
    assert "workload.size=-1: at least 1 element" in done.err


@pytest.mark.parametrize("stage", ["report", "plan"])
def test_a_launcher_that_cannot_run_is_an_error_and_not_an_empty_sweep(command, stage):
    pytest.importorskip("joblib", reason="joblib (the sweep extra) is not installed")
    done = command(*SWEPT, f"stage={stage}", "hydra/launcher=joblib", "hydra.launcher.n_jobs=0")
    assert done.code == 5, done.out + done.err
    assert "the launcher failed" in done.err
    assert "Traceback" not in done.err


def test_a_plan_that_another_process_refuses_is_an_error(command):
    pytest.importorskip("joblib", reason="joblib (the sweep extra) is not installed")
    done = command(*SWEPT, "stage=plan", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    assert done.code == 1, done.out + done.err
    assert "workload.size=-1: at least 1 element" in done.err


def test_a_point_that_failed_in_another_process_names_the_command_that_runs_it_again(command):
    pytest.importorskip("joblib", reason="joblib (the sweep extra) is not installed")
    wrong = (
        *USER_CONFIGS,
        "workload=vector_add",
        "workload.size=4096",
        "callable@workload.callables.add=says_then_dies",
        "+topology=chip2",
    )
    done = command("-m", *wrong, "workload.seed=1,2", "hydra/launcher=joblib", "hydra.sweep.dir=sweep")
    assert done.code == 5, done.out + done.err
    page = (done.folder / "sweep" / "0" / "report.html").read_text()
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, flags=re.DOTALL)[1])
    (again, *_) = [one["command"] for one in data["failure"]["next"]]
    assert again.startswith(f"python -m pipeline --config-dir={Path(USER_CONFIGS[1]).resolve()} "), again
    assert "workload.seed=1" in again


def test_this_process_runs_points_as_hydras_basic_launcher_does(command):
    (command.folder / "noting.py").write_text(NOTING)
    found = {}
    for launcher in ("basic", "in_process"):
        done = command(
            "-m", "workload=vector_add", "workload.size=64", "workload.seed=1,2", "hydra.sweep.dir=sweep",
            "hydra.job.chdir=true", "+hydra.job.env_set.CALLRING_NOTED='1e3'", f"hydra/launcher={launcher}",
            "+hydra.callbacks.noting._target_=noting.Noting",
        )  # fmt: skip
        assert done.code == 0, done.out + done.err
        sweep = done.folder / "sweep"
        found[launcher] = {
            str(file.relative_to(sweep)): _without_launcher(OmegaConf.load(file), launcher)
            for file in sorted(sweep.glob("*/.hydra/*.yaml"))
        } | {str(file.relative_to(sweep)): file.read_text() for file in sorted(sweep.glob("*/noted.txt"))}
        shutil.rmtree(sweep)
    assert len(found["basic"]) == 2 * 4
    assert found["in_process"] == found["basic"]


NOTING = '''
"""A Hydra callback that writes its arguments into the folder of the job."""

import os

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback


class Noting(Callback):
    def on_job_start(self, config, **_):
        hydra = HydraConfig.get()
        assert config.hydra.job.num == hydra.job.num
        self.note("start", hydra.job.num, os.environ["CALLRING_NOTED"], hydra.runtime.choices.workload)

    def on_job_end(self, config, job_return, **_):
        self.note("end", job_return.status, job_return.return_value, list(job_return.overrides)[:4])
        self.note("hydra" in job_return.cfg, os.path.basename(job_return.working_dir), os.environ.get("CALLRING_NOTED"))

    def note(self, *words):
        with open("noted.txt", "a") as file:
            print(*words, file=file)
'''


def _without_launcher(config, launcher):
    """The content of a file, without the name of the launcher."""
    content = OmegaConf.to_container(config)
    if isinstance(content, dict) and "hydra" in content:
        del content["hydra"]["launcher"], content["hydra"]["runtime"]["choices"]["hydra/launcher"]
        content["hydra"]["overrides"]["hydra"].remove(f"hydra/launcher={launcher}")
    return content
