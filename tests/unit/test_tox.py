"""tox defines all checks; the workflows call each of its environments on the right Python."""

import configparser
import re
import tomllib
from pathlib import Path

import yaml
from packaging.specifiers import SpecifierSet

from pipeline.admin.doctor import PYTHONS

ROOT = Path(__file__).resolve().parents[2]


def environments():
    tox = configparser.ConfigParser()
    tox.read(ROOT / "tox.ini")
    return [name.strip() for name in tox["tox"]["env_list"].split(",")]


def workflow(name):
    return yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())


def jobs(job, name="ci"):
    return workflow(name)["jobs"][job]["strategy"]["matrix"]["include"]


def test_the_workflows_call_every_environment_once():
    # On GitHub, containers serve as fresh machines.
    containers = [
        f"fresh-{job['image'].partition(':')[2]}" for job in jobs("fresh") if job["image"].startswith("debian:")
    ]
    whole = [job["env"] for job in (*jobs("first"), *jobs("tox"), *jobs("tox", "nightly")) if "tests" not in job]
    clients = [name for name in whole if name.startswith("clients-")]
    assert sorted([*whole, *containers]) == sorted([*environments(), *clients])
    assert len(clients) == len(set(clients))


def test_the_workflows_may_only_read_except_for_the_draft_of_a_release():
    for file in (ROOT / ".github" / "workflows").glob("*.yml"):
        made = workflow(file.stem)
        assert made["permissions"] == {"contents": "read"}, file.name
        assert [name for name, job in made["jobs"].items() if "permissions" in job] in ([], ["draft"]), file.name


def test_every_job_of_the_workflows_has_a_time_limit():
    for file in (ROOT / ".github" / "workflows").glob("*.yml"):
        assert all("timeout-minutes" in job for job in workflow(file.stem)["jobs"].values()), file.name


def test_a_release_has_a_wheel_for_every_python_of_the_tests():
    built = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["cibuildwheel"]["build"]
    pythons = [name.removeprefix("py") for name in environments() if re.fullmatch(r"py\d+", name)]
    assert built == [f"cp{python}-*" for python in pythons]


def test_the_tests_of_a_python_run_on_it():
    pythons = {job["env"]: job["python"] for job in jobs("tox")}
    names = [name for name in environments() if re.fullmatch(r"py\d+", name)]
    assert [pythons[name] for name in names] == [f"3.{name.removeprefix('py3')}" for name in names]


def test_the_pythons_that_pip_may_choose_are_those_of_the_tests():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    allowed = SpecifierSet(project["requires-python"])
    tested = [int(name.removeprefix("py3")) for name in environments() if re.fullmatch(r"py\d+", name)]
    assert [minor for minor in range(40) if f"3.{minor}.2" in allowed] == tested
    named = [name for name in project["classifiers"] if name.startswith("Programming Language :: Python ::")]
    assert named == [f"Programming Language :: Python :: 3.{minor}" for minor in tested]
    assert list(PYTHONS) == tested, "the Pythons that stage=doctor accepts"


def test_no_environment_and_no_job_may_fail_unnoticed():
    tox = configparser.ConfigParser()
    tox.read(ROOT / "tox.ini")
    assert [name for name in tox.sections() if tox[name].get("ignore_outcome")] == []
    for file in (ROOT / ".github" / "workflows").iterdir():
        assert "continue-on-error" not in file.read_text()


def test_min_deps_installs_the_oldest_allowed_versions():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    tox = configparser.ConfigParser()
    tox.read(ROOT / "tox.ini")
    installed = dict(line.split("==") for line in tox["testenv:min-deps"]["deps"].split())
    allowed = {}
    for requirement in project["dependencies"]:
        name, _, bounds = requirement.partition(">=")
        allowed[name] = bounds.partition(",")[0]
    for name, version in installed.items():
        assert version == allowed[name] or version.startswith(f"{allowed[name]}."), name
    assert {name for name, bound in allowed.items() if bound} == set(installed)
