"""Commands start on a Python whose argparse reads help texts when an option is added, as 3.14 and newer do."""

import argparse
import sys

import pytest

from pipeline.hydra_glue import argparse_help
from pipeline.hydra_glue.argparse_help import unfinished_help_allowed
from pipeline.hydra_glue.versions import HYDRA

from ..conftest import PROJECT


@pytest.fixture
def strict_argparse(monkeypatch):
    """This Python's argparse, or one as strict as that of 3.14."""

    def check(self, action):
        if action.help and not isinstance(action.help, str):
            raise ValueError("badly formed help string")
        if action.help and "%(what)" in action.help:
            raise ValueError("badly formed help string")

    if not hasattr(argparse.ArgumentParser, "_check_help"):
        if HYDRA >= (1, 4):
            pytest.skip("this Hydra checks the version of Python, and this Python is older than 3.14")
        monkeypatch.setattr(argparse.ArgumentParser, "_check_help", check, raising=False)
        add = argparse.ArgumentParser.add_argument

        def add_argument(self, *names, **options):
            action = add(self, *names, **options)
            self._check_help(action)
            return action

        monkeypatch.setattr(argparse.ArgumentParser, "add_argument", add_argument)


class MadeLater:
    def __repr__(self):
        return "the text"


@pytest.mark.usefixtures("strict_argparse")
def test_a_command_starts_whose_parser_has_a_help_text_that_is_made_later(inside):
    done = inside("stage=describe")
    assert (done.code, done.err) == (0, "")


@pytest.mark.usefixtures("strict_argparse")
def test_hydras_help_has_the_text_that_is_made_later(inside):
    assert "Install or Uninstall shell completion" in inside("--hydra-help").out


@pytest.mark.skipif(HYDRA >= (1, 4), reason="this Hydra needs no bridge")
@pytest.mark.usefixtures("strict_argparse")
def test_a_help_text_that_is_wrong_is_still_refused():
    parser = argparse.ArgumentParser()
    with unfinished_help_allowed():
        parser.add_argument("--later", help=MadeLater())
        with pytest.raises(ValueError, match="badly formed"):
            parser.add_argument("--wrong", help="%(what)s")


@pytest.mark.usefixtures("strict_argparse")
def test_outside_of_the_block_argparse_is_unchanged():
    before = _refuses_a_help_text_that_is_made_later()
    with unfinished_help_allowed():
        assert not _refuses_a_help_text_that_is_made_later()
    assert _refuses_a_help_text_that_is_made_later() == before


def _refuses_a_help_text_that_is_made_later():
    """Python 3.14 does; 3.15 does not any more."""
    try:
        argparse.ArgumentParser().add_argument("--later", help=MadeLater())
    except ValueError:
        return True
    return False


def test_the_workaround_is_used_only_if_argparse_checks_early_and_hydra_is_1_3():
    assert argparse_help.needed() == (HYDRA < (1, 4) and sys.version_info >= (3, 14))


def test_the_workaround_must_be_removed_when_no_allowed_hydra_needs_it():
    import tomllib

    from packaging.requirements import Requirement

    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    allowed = {item.name: item.specifier for item in map(Requirement, project["dependencies"])}["hydra-core"]
    assert "1.3.8" in allowed, "pipeline/hydra_glue/argparse_help.py and its tests can go"
