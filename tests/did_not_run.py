"""The last lines of a test run: which tests did not run, and why."""

from collections import Counter
from pathlib import Path

import pytest


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    """Prints the lines after all other output of the run, such as the number of passed tests."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is None:
        return
    for (file, reason), count in sorted(Counter(map(_skip, terminal.stats.get("skipped", []))).items()):
        terminal.write_line(f"did not run: {f'{count} tests of ' if count > 1 else ''}{file}: {reason}")


def _skip(report):
    file, _, reason = report.longrepr if isinstance(report.longrepr, tuple) else ("", 0, str(report.longrepr))
    return Path(report.nodeid.partition("::")[0] or file).as_posix(), reason.removeprefix("Skipped: ")
