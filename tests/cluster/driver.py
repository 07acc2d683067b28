"""The program on the driver's machine: joins the cluster, and lives through all days."""

import json
import socket
import subprocess
import sys

from runtime.hosting.wire import Wire
from tests.cluster.days import Days


def _join(command):
    daemon = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = [""]
    while "will now block" not in said[-1]:
        said.append(daemon.stdout.readline())
        if not said[-1]:
            raise RuntimeError("".join(said))


if __name__ == "__main__":
    head, join, descriptor = sys.argv[1:]
    wire = Wire(socket.socket(fileno=int(descriptor)))
    _join(json.loads(join))
    wire.send(("end", Days(head, wire.call).run()))
