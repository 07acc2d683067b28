"""Runs a command whose processes all end when this process ends, also if it is killed: no build outlives its run.

``python -m pipeline.building.process_group COMMAND ...`` runs the command in a process group of its own, and kills
the group when its standard input is at its end: the other end of that pipe is held by ``run_tied`` alone.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence


def run_tied(
    command: Sequence[str],
    each_line: Callable[[str], object] = lambda line: None,
    environment: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Runs a command to its end. Its exit status, and what it wrote.

    Args:
        command: program and arguments.
        each_line: is called with each line as soon as the command has written it.
        environment: of the command; None: that of this process.
    """
    guard = [sys.executable, "-S", __file__, *command]
    with subprocess.Popen(
        guard, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        words = []
        for line in process.stdout:
            words.append(line)
            each_line(line)
        return process.wait(), "".join(words)


def main() -> int:
    """Runs the command that the arguments are; ends it when standard input ends."""
    # An interrupt from the terminal reaches the process that waits for us; it decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, process_group=0)
    poll = select.poll()
    poll.register(os.pidfd_open(process.pid), select.POLLIN)
    poll.register(0, select.POLLHUP)
    ended = [descriptor for descriptor, _ in poll.poll()]
    if 0 in ended:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


if __name__ == "__main__":
    sys.exit(main())
