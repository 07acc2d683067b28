"""What a gateway says when its host is lost."""

import subprocess
import sys
import textwrap

from runtime.failure import HOST_LOST

LOST = """
    import socket
    import threading

    from runtime.child_side.gateway import _Gateway
    from runtime.hosting.wire import Door, Wire

    gateway = _Gateway(None, Door("", b"", 3), 0)
    (server, gateway._control), (news, received) = (map(Wire, socket.socketpair()) for _ in range(2))
    gateway._end_after(received)
    server.close()
    threading.Timer(0.5, lambda: news.send(("far-1", "it does not answer"))).start()
    gateway.unload("sha256:1")
"""


def test_the_reason_of_a_lost_host_is_said_even_if_it_arrives_after_the_end_of_the_other_connections():
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(LOST)], capture_output=True, text=True, check=False)
    assert ended.stderr == "callring: node 3: its host on far-1 was lost: it does not answer\n"
    assert ended.returncode == HOST_LOST
