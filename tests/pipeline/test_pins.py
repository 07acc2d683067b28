"""hydra-core and omegaconf are pinned together: with omegaconf 2.4, pip would silently choose an unfixed Hydra."""

import tomllib
from importlib.metadata import version

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from .conftest import PROJECT

PINNED = {
    requirement.name: requirement.specifier
    for requirement in map(
        Requirement, tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["dependencies"]
    )
}


@pytest.mark.parametrize("name", ["hydra-core", "omegaconf"])
def test_what_is_installed_is_what_is_pinned(name):
    assert version(name) in PINNED[name]


def test_the_installed_hydra_has_its_security_fixes():
    assert Version(version("hydra-core")) >= Version("1.3.8")


def test_no_hydra_without_its_security_fixes_is_allowed():
    assert "1.3.8" in PINNED["hydra-core"]
    assert [old for old in ("1.3.0", "1.3.2", "1.3.7") if old in PINNED["hydra-core"]] == []


def test_the_omegaconf_that_hides_the_fixed_hydra_is_not_allowed():
    assert "2.3.1" in PINNED["omegaconf"]
    assert [new for new in ("2.4.0", "2.4.1", "3.0.0") if new in PINNED["omegaconf"]] == []
