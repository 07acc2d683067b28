"""Runs a command whose processes all end with this process, also if it is killed: no build outlives its run.

``python -m pipeline.building.process_group COMMAND ...`` runs the command in a new process group, and kills the group
at the end of its standard input. Only ``run_tied`` holds the other end of that pipe.
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
    """Runs a command to its end. Returns its exit status and its output.

    Args:
        command: program and arguments.
        each_line: is called with each line as soon as the command has written it.
        environment: environment of the command; None: that of this process.
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
    """Runs the command of the arguments; kills it at the end of standard input."""
    # An interrupt from the terminal also reaches the waiting parent process, which decides what to do.
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
