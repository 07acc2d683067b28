"""The help of the command: its version, and every exit code."""

from importlib.metadata import version

from pipeline import exit_codes
from pipeline.terminal.interrupts import INTERRUPTED


def test_the_version_is_callrings(inside):
    done = inside("--version")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Callring {version('callring')} (Python ")
    assert f"Hydra {version('hydra-core')}" in done.out


def test_the_help_has_every_exit_code(inside):
    codes = {value for name, value in vars(exit_codes).items() if name.isupper()} | {INTERRUPTED}
    words = inside("--help").out.partition("Exit codes: ")[2].partition("Completion")[0].split()
    assert {int(word) for word in words if word.isdecimal()} == codes
