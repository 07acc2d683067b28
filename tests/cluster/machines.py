"""Machines made of namespaces: each has a network card with a cable to a switch, processes, a host name, and its own
shared memory. So the processes of two machines share no memory, no socket and no process identifier by accident.

Needs root, and the commands ``ip``, ``unshare`` and ``mount``. Everything is named after the process that made it, and
``close()`` removes it after any failure. The files are those of this machine, as on machines with one file server.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from runtime.hosting.wire import Wire
from runtime.processes.spawning import core_folder
from tests.patience import patience

ROOT = Path(__file__).resolve().parents[2]
PORT = 6379
_NAME = "callr"
"""Before the process identifier in all names; a network card has a name of at most 15 letters."""
_RAY = [
    "-c",
    "from ray.scripts.scripts import main; main()",
    "start",
    "--block",
    "--disable-usage-stats",
]
_MEMORY = 640 << 20
OTHER_PYTHON = os.environ.get("CALLRING_OTHER_PYTHON", "")
"""A Python of another version, with Ray, for the machine that is to be refused."""
_ENVIRONMENT = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_worker_niceness": "0",
    "RAY_enable_worker_prestart": "0",
}


def why_not():
    """Why machines cannot be made here; empty if they can."""
    if os.geteuid() != 0:
        return "machines as namespaces need root"
    lacking = [name for name in ("ip", "unshare", "setpriv", "mount", "hostname") if shutil.which(name) is None]
    if lacking:
        return f"machines as namespaces need the commands {', '.join(lacking)} (package iproute2)"
    probe = f"crp{os.getpid()}"
    with contextlib.suppress(OSError):
        made = subprocess.run(["ip", "link", "add", probe, "type", "bridge"], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", probe], capture_output=True, check=False)
        if made.returncode == 0:
            return ""
    return "this kernel or container allows no network bridge"


class Lab:
    """A switch with machines. This process is on none of them."""

    def __init__(self):
        _remove_forgotten()
        self.name = f"{_NAME}{os.getpid()}"
        self._prefix = f"10.213.{os.getpid() % 256}."
        self.machines = {}
        self._folder = _folder(self.name)
        _ip("link", "add", self.name, "type", "bridge")
        _ip("link", "set", self.name, "up")

    def add(self, name, *, cpus=1, head=False, over=(), python=sys.executable, **given):
        """Switches a machine on, with a Ray daemon; it joins when it is ready.

        Args:
            head: whether it has the head of the cluster.
            over: pairs of a file of this machine and the file that the new one has in its place.
            python: executes the Ray daemon.
            given: for Machine.start.
        """
        number = len(self.machines) + 1
        machine = Machine(self, name, number, f"{self._prefix}{number}")
        self.machines[name] = machine
        role = ["--head", f"--port={PORT}", "--include-dashboard=false"] if head else [f"--address={self.head}"]
        machine.start([python, *_RAY, *role, *self._options(machine.address, cpus)], over, **given)
        if head:
            _until(lambda: machine.processes("raylet/raylet"))

    @property
    def head(self):
        """The address of the cluster."""
        return f"{self._prefix}1:{PORT}"

    def drive(self, module):
        """Runs a module on a machine of its own, which joins the cluster for a driver only, and does what it orders.

        The module gets the head's address, a command that joins, and the descriptor of a Wire as its arguments. Its
        requests are names of methods of this class with their arguments; ``end`` ends it, with the value that it sends.
        """
        number = len(self.machines) + 1
        machine = self.machines["driver"] = Machine(self, "driver", number, f"{self._prefix}{number}")
        ours, theirs = socket.socketpair()
        with theirs:
            join = json.dumps([sys.executable, *_RAY, f"--address={self.head}", *self._options(machine.address, 0)])
            command = [sys.executable, "-m", module, self.head, join, str(theirs.fileno())]
            machine.start(command, (), pass_fds=[theirs.fileno()], stdout=None, stderr=None)
        with contextlib.closing(Wire(ours)) as wire:
            while True:
                name, *arguments = wire.receive()
                if name == "end":
                    return arguments[0]
                wire.send(getattr(self, name)(*arguments))

    def add_without_chips(self, name):
        """Switches a machine on that cannot execute the program of simulated chips."""
        self.add(name, over=[(Path(core_folder()) / "bin" / "callring-chip", "/dev/null")])

    def add_and_end(self, name, python):
        """Switches a machine on whose Ray daemon ends; returns what that said, in one line."""
        with tempfile.TemporaryFile() as said:
            self.add(name, python=python, stdout=said, stderr=said)
            self.machines[name].wait()
            said.seek(0)
            return " ".join(said.read().decode().split())

    def cable(self, name, state):
        """Pulls the cable of a machine (``"down"``) or puts it in (``"up"``)."""
        self.machines[name].cable(state)

    def switch_off(self, name):
        """Switches a machine off."""
        self.machines[name].switch_off()

    def kill(self, name, word):
        """Kills the processes of a machine whose command line contains ``word``; returns how many there were."""
        pids = self.machines[name].processes(word)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return len(pids)

    def processes(self, name, word):
        """The pids of those processes."""
        return self.machines[name].processes(word)

    def _options(self, address, cpus):
        # One path for all machines: a driver looks for its daemon in the folder that the head names.
        options = [f"--node-ip-address={address}", f"--num-cpus={cpus}", f"--temp-dir={self._folder}"]
        return [*options, f"--object-store-memory={_MEMORY}"]

    def close(self):
        """Switches everything off and removes it."""
        for machine in self.machines.values():
            machine.switch_off()
        _remove(self.name)


class Machine:
    """One machine: namespaces whose first process is a Ray daemon."""

    def __init__(self, lab, name, number, address):
        self.name = name
        self.address = address
        self.space = f"{lab.name}-{name}"
        self._port = f"{lab.name}p{number}"
        self._process = None
        _ip("netns", "add", self.space)
        _ip("link", "add", self._port, "type", "veth", "peer", "name", "eth0", "netns", self.space)
        _ip("link", "set", self._port, "master", lab.name, "up")
        for command in (["addr", "add", f"{self.address}/24", "dev", "eth0"], ["link", "set", "eth0", "up"]):
            _ip("-n", self.space, *command)
        _ip("-n", self.space, "link", "set", "lo", "up")

    def start(self, command, over, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **given):
        """Runs ``command`` as the machine's first process."""
        mounts = [f"mount -t tmpfs -o size={2 * _MEMORY} tmpfs /dev/shm", "mount -t proc proc /proc"]
        mounts += [f"mount --bind {there} {here}" for here, there in over]
        script = " && ".join([*mounts, f"hostname {self.name}", 'exec "$@"'])
        path = filter(None, [str(ROOT), *sys.path]) if command[0] == sys.executable else ()
        isolated = ["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"]
        bound = ["setpriv", "--pdeathsig", "KILL"]  # the machine ends with this process, also if that is killed
        self._process = subprocess.Popen(
            [*bound, "ip", "netns", "exec", self.space, *isolated, "sh", "-c", script, "sh", *command],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd=ROOT,
            env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": os.pathsep.join(path)},
            **given,
        )

    def processes(self, word):
        """The pids, on this machine, of the machine's processes whose command line contains ``word``."""
        own = _net(self._process.pid)
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and own and _net(entry.name) == own:
                with contextlib.suppress(OSError):
                    if word in (entry / "cmdline").read_bytes().decode(errors="replace"):
                        found.append(int(entry.name))
        return found

    def wait(self):
        """Waits until the machine's first process has ended."""
        self._process.wait(patience(60))

    def cable(self, state):
        """Pulls the cable (``"down"``) or puts it in (``"up"``)."""
        _ip("link", "set", self._port, state)

    def switch_off(self):
        """Ends the machine's first process, and with it all others, at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def _ip(*command):
    subprocess.run(["ip", *command], check=True)


def _folder(name):
    """Of Ray, on each machine: in its own shared memory, whose path is short enough for sockets."""
    return Path(f"/dev/shm/{name}")


def _remove(name):
    """Removes the switch and the machines of a lab, whose processes it ends."""
    for space in Path("/run/netns").glob(f"{name}-*"):
        for pid in subprocess.run(["ip", "netns", "pids", space.name], capture_output=True, check=False).stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        subprocess.run(["ip", "netns", "del", space.name], check=False)
    subprocess.run(["ip", "link", "del", name], check=False)
    shutil.rmtree(_folder(name), ignore_errors=True)


def _remove_forgotten():
    """Removes the labs of processes that were killed."""
    for card in Path("/sys/class/net").glob(f"{_NAME}*"):
        pid = card.name.removeprefix(_NAME)
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            _remove(card.name)


def _net(pid):
    try:
        return str(Path(f"/proc/{pid}/ns/net").readlink())
    except OSError:
        return ""


def _until(true):
    end = time.monotonic() + patience(60)
    while not true():
        if time.monotonic() > end:
            raise TimeoutError("the head of the cluster does not start")
        time.sleep(0.1)
