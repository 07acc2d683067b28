"""hydra-core and omegaconf are installed in pairs: 1.3 with 2.3, 1.4 with 2.4; never a Hydra without its fixes."""

import tomllib
from importlib.metadata import requires, version

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
PAIRS = {(1, 3): (2, 3), (1, 4): (2, 4)}
"""Minor versions of hydra-core, each with that of its omegaconf."""


@pytest.mark.parametrize("name", ["hydra-core", "omegaconf"])
def test_the_installed_version_satisfies_the_pin(name):
    assert PINNED[name].contains(version(name), prereleases=True)


def test_the_installed_versions_are_a_pair():
    assert PAIRS[Version(version("hydra-core")).release[:2]] == Version(version("omegaconf")).release[:2]


def test_the_installed_hydra_asks_for_the_installed_omegaconf():
    """Hydra's own requirement makes pip choose only pairs."""
    (asked,) = [item for item in map(Requirement, requires("hydra-core")) if item.name == "omegaconf"]
    assert asked.specifier.contains(version("omegaconf"), prereleases=True)


@pytest.mark.parametrize(("hydra", "omegaconf"), PAIRS.items())
def test_every_pair_is_allowed(hydra, omegaconf):
    for name, (major, minor) in (("hydra-core", hydra), ("omegaconf", omegaconf)):
        assert f"{major}.{minor}.99" in PINNED[name]


def test_the_installed_hydra_has_its_security_fixes():
    assert Version(version("hydra-core")) >= Version("1.3.8")


def test_no_hydra_without_its_security_fixes_is_allowed():
    """With omegaconf 2.4, and no release of Hydra 1.4, pip would silently choose 1.3.0."""
    assert "1.3.8" in PINNED["hydra-core"]
    assert [old for old in ("1.3.0", "1.3.2", "1.3.7") if old in PINNED["hydra-core"]] == []


def test_untested_versions_are_not_allowed():
    assert "1.5.0" not in PINNED["hydra-core"]
    assert [new for new in ("2.5.0", "3.0.0") if new in PINNED["omegaconf"]] == []
