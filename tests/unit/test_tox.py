"""tox says what is checked; the workflow calls every environment of it, each on the Python that it is meant for."""

import configparser
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def environments():
    tox = configparser.ConfigParser()
    tox.read(ROOT / "tox.ini")
    return [name.strip() for name in tox["tox"]["env_list"].split(",")]


def jobs():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    return workflow["jobs"]["tox"]["strategy"]["matrix"]["include"]


def machines():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    return workflow["jobs"]["fresh"]["strategy"]["matrix"]["include"]


def test_the_workflow_calls_every_environment_once():
    # On GitHub containers are the fresh machines.
    containers = [f"fresh-{job['image'].partition(':')[2]}" for job in machines() if job["image"].startswith("debian:")]
    assert [job["env"] for job in jobs()] + containers == environments()


def test_the_workflow_can_read_and_not_write():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"}


def test_the_tests_of_a_python_run_on_it():
    pythons = {job["env"]: job["python"] for job in jobs()}
    assert (pythons["py311"], pythons["py312"], pythons["py313"]) == ("3.11", "3.12", "3.13")


def test_the_oldest_allowed_versions_are_what_min_deps_installs():
    import tomllib

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
