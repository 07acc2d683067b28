"""A peer that is a native program: it reads orders from its input, and answers with what their execution spent."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.benchmark.spent import Spent


class NativeProgram:
    """A running program with a number of workers. Its side of the conversation is in orders.h."""

    def __init__(self, program: Path, workers: int) -> None:
        command = [str(program), str(workers)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(self, text: str) -> None:
        """Sends lines that have no answer."""
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def spent_on(self, order: str) -> Spent:
        """Sends an order and waits for its answer. Raises RuntimeError if the program ended instead."""
        self.send(order)
        answer = self.process.stdout.readline().split()
        if len(answer) != 2:
            raise RuntimeError(f"{self.process.args[0]} ended with {self.process.wait()}")
        return Spent(*map(float, answer))

    def close(self) -> None:
        """Ends the program at the end of its input."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
