"""The process that looks for the machines of an engine (runtime/hosting/look.py)."""

from __future__ import annotations

import json
import os
import pickle
import sys
from dataclasses import asdict
from typing import Any

from runtime.child_side.hosting_server import hosting_of_nodes
from runtime.hosting.door import HostLost


def main() -> None:
    """Reads a pickled Cluster; writes its machines as JSON, or a text that says why they are not known."""
    cluster = pickle.load(sys.stdin.buffer)
    answer_to = os.dup(1)
    os.dup2(2, 1)  # an engine may print
    answer: Any
    try:
        hosting = hosting_of_nodes(cluster)
        hosting.open()
        answer = [asdict(machine) for machine in hosting.machines()]
    except HostLost as error:
        answer = str(error)
    os.write(answer_to, json.dumps(answer).encode())
    sys.stderr.flush()
    os._exit(0)  # the connection ends with the process
