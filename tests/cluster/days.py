"""Good and bad days of a cluster of machines: what is checked, and what is measured."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from runtime import Tag, TaskArgs, Worker, WorkerOptions
from runtime.errors import PartialFailureError, StartError, WorkerGivenUp, WorkerLost
from runtime.hosting import Cluster
from tests.cluster import skewed, work
from tests.cluster.machines import OTHER_PYTHON, Lab
from tests.cluster.plain_ray import plain_ray
from tests.patience import patience

LOST_AFTER = 5.0
NODES = 4
_SMALL = 1 << 20
_ROUNDS = 5
_FEW, _MANY = 1, 5
"""Hops of a chain; the difference is without its begin and end."""
_WITHOUT_CHIPS = "m6"
"""A machine whose program of simulated chips cannot be executed."""
_OTHER = "m7"
"""A machine with another Python."""
_PLANS = {
    "empty sub-graph, ms": "1.6-2.8",
    "registration on 4 nodes, ms": "4-10 (2-3 nodes)",
    "empty sub-graph / Ray's echo": "at most 1.5",
    "64 MiB from node to node, ms": "150-480",
    "64 MiB from node to node / Ray's": "at most 1.3",
    "an actor killed: noticed, s": "0.07-0.2",
    "a machine switched off: noticed, s": "1.6-2.6",
    "a cable pulled: noticed, s": "5.25 (heartbeat 5 s)",
}
"""The figures of the design's prototype."""


class Days:
    """A Worker with a node on each of four machines. Each method is one day.

    Args:
        order: does something in the world outside, see tests/cluster/machines.py.
    """

    def __init__(self, head, order):
        self.figures = {}
        self._head = head
        self._order = order
        self._folder = tempfile.TemporaryDirectory()
        cluster = Cluster(kind="ray", address=head, lost_after=LOST_AFTER)
        self.worker = Worker(level=4, sub_workers=1, options=WorkerOptions(start_timeout=patience(90)))
        for _ in range(NODES):
            self.worker.add_worker(Worker(level=3, chips=0, sub_workers=1), on=cluster)

    def run(self):
        """All days in order, the last of which ends the cluster."""
        try:
            self._measure("a Worker of 4 nodes: ready, s", self.worker.init)
            for day in (
                self.registration,
                self.tensors,
                self.beside_ray,
                self.workload,
                self.skew,
                self.actor_killed,
                self.machine_off,
                self.machine_joins,
                self.cable,
                self.chips_that_cannot_be_made,
                self.another_python,
                self.head_dies,
            ):
                begun = time.monotonic()
                day()
                say(f"{day.__name__}: {time.monotonic() - begun:.1f} s")
            self._measure("the Worker's end, s", self.worker.close)
        finally:
            self.worker.close()
            self._folder.cleanup()
        return self.figures

    # ---- good days -------------------------------------------------------------------------------------------------

    def registration(self):
        """A callable reaches all nodes before register() returns."""
        self.nothing = self.worker.register(work.nothing)
        times = []
        for i in range(10):
            function = eval(f"lambda o, args: {i}")
            begun = time.monotonic()
            handle = self.worker.register(function)
            times.append(time.monotonic() - begun)
            assert self._call(handle, i % NODES) == i
        self.figures["registration on 4 nodes, ms"] = statistics.median(times) * 1e3

    def tensors(self):
        """Each node is on its own machine, and computes."""
        where = self.worker.register(work.where)
        names = []
        for node in range(NODES):
            source, target = self.worker.share(np.arange(1000.0) + node), self.worker.zeros(1000, "float64")
            names.append(self._call(where, node, (source, Tag.INPUT), (target, Tag.OUTPUT)))
            assert np.array_equal(target.numpy(), 2 * (np.arange(1000.0) + node))
        assert sorted(names) == ["m1", "m2", "m3", "m4"], names
        self.names = names

    def beside_ray(self):
        """Empty sub-graphs and large tensors from node to node, interleaved with what Ray alone does of this kind."""
        fill, follow = self.worker.register(work.fill), self.worker.register(work.follow)
        before = self._received()

        def chain(o, hops):
            with o.scope():
                last = o.alloc(work.COUNT, "float64")
                o.submit_next_level(fill, TaskArgs((last, Tag.OUTPUT), scalars=[1]), worker=0)
                for hop in range(hops):
                    after = o.alloc(work.COUNT, "float64")
                    o.submit_next_level(follow, TaskArgs((last, Tag.INPUT), (after, Tag.OUTPUT)), worker=1 - hop % 2)
                    last = after

        with plain_ray(self._head, self.names[0], self.names[1]) as ray:
            ours = _taken(100, _timed(lambda: self._call(self.nothing, 0)), lambda: ray("echo"))
            self._compare("empty sub-graph", "Ray's echo", *ours)
            hops = {
                count: _taken(
                    _ROUNDS,
                    _timed(lambda n=count: self.worker.run(lambda o: chain(o, n))),
                    lambda n=count: ray("chain", n),
                )
                for count in (_FEW, _MANY)
            }
        both = zip(hops[_FEW], hops[_MANY], strict=True)
        apart = [[(b - a) / (_MANY - _FEW) for a, b in zip(few, many, strict=True)] for few, many in both]
        self._compare("64 MiB from node to node", "Ray's", *apart)
        passed = self._received() - before
        self.figures["bytes of all chains of 64 MiB that passed the driver"] = passed
        assert passed < _SMALL, passed

    def workload(self):
        """A shipped workload trains on the four machines, and is verified."""
        topology = ("+topology=cluster", f"topology.engine.address={self._head}", "topology.children.0.chips=1")
        command = [sys.executable, "-m", "pipeline", "workload=train_on_nodes", "workload.sizes.epochs=1", *topology]
        folder = Path(self._folder.name) / "workload"
        done = subprocess.run(
            [*command, f"hydra.run.dir={folder}", f"worker.start_timeout={patience(90)}"],
            env={**os.environ, "CALLRING_STORE": f"{self._folder.name}/store"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        result = json.loads((folder / "result.json").read_text())
        assert result["verification"]["passed"] is True
        assert sorted(host["machine"] for host in result["engine"]["hosts"]) == ["m1", "m2", "m3", "m4"]
        self.figures["train_on_nodes, 1 epoch, s"] = statistics.median(result["measurements"]["run_seconds"])

    def skew(self):
        """A callable that is identified by its source is refused by the machine that has another source."""
        with pytest.raises(PartialFailureError) as caught:
            self.worker.register(skewed.skewed)
        say(f"refused: {caught.value}")
        refused = [self.names[node] for node in range(NODES) if f"node {node}:" in str(caught.value)]
        assert refused == ["m3"], refused

    def chips_that_cannot_be_made(self):
        """A machine that cannot execute a node's chips is named, in one line, and costs no other machine anything."""
        self._order("add_without_chips", _WITHOUT_CHIPS)
        text = self._refused(_WITHOUT_CHIPS, chips=2)
        assert "chip" in text, text

    def another_python(self):
        """A machine with another Python is no part of the cluster: Ray refuses it, and a node for it is refused."""
        if not OTHER_PYTHON:
            say("another_python: not tried, CALLRING_OTHER_PYTHON names no Python of another version that has Ray")
            return
        said = self._order("add_and_end", _OTHER, OTHER_PYTHON)
        _, found, differs = said.partition("Version mismatch")
        say(f"ray start: {found}{differs}")
        assert found, said
        self._refused(_OTHER, seconds=3.0)

    # ---- bad days --------------------------------------------------------------------------------------------------

    def actor_killed(self):
        """The end of an actor's process is noticed, and other nodes go on."""
        node = self.names.index("m1")
        run, _ = self._begun(node)
        self._lose("an actor killed: noticed, s", run, "kill", "m1", "ray::Actor")
        self._others_work(node)
        assert self._eventually(node) is None

    def machine_off(self):
        """A machine that is switched off is lost. Other nodes go on, also one that needs a content of it just then."""
        node, reader = self.names.index("m4"), self.names.index("m1")
        is_kept, is_off = threading.Event(), threading.Event()
        fill, follow = self.worker.register(work.fill), self.worker.register(work.follow)

        def needs(o):
            content, after = o.alloc(work.COUNT, "float64"), o.alloc(work.COUNT, "float64")
            try:
                o.submit_next_level(fill, TaskArgs((content, Tag.OUTPUT), scalars=[1]), worker=node).result()
            finally:
                is_kept.set()
            is_off.wait()
            o.submit_next_level(follow, TaskArgs((content, Tag.INPUT), (after, Tag.OUTPUT)), worker=reader)

        before = self._order("processes", "m1", "ray::Actor")
        with ThreadPoolExecutor(1) as thread:
            needing = thread.submit(self.worker.run, needs)
            try:
                is_kept.wait()
                run, _ = self._begun(node)
                begun = time.monotonic()
                self._lose("a machine switched off: noticed, s", run, "switch_off", "m4", then=is_off.set)
            finally:
                is_off.set()
            with pytest.raises(WorkerLost, match="was on m4, which was lost") as caught:
                needing.result()
        self.figures["its content, needed elsewhere: lost, s"] = time.monotonic() - begun
        say(f"lost: {caught.value}")
        assert self._order("processes", "m1", "ray::Actor") == before
        self._others_work(node)

    def machine_joins(self):
        """The node that finds no machine waits for one, and gets the one that joins."""
        node = self.names.index("m4")
        run = self.worker.submit(lambda o: o.submit_next_level(self.nothing, worker=node))
        self._order("add", "m5")
        begun = time.monotonic()
        try:
            run.result().result()
        except WorkerLost:
            assert self._eventually(node) is None
        self.figures["a machine joins while a node waits: in use, s"] = time.monotonic() - begun

    def cable(self):
        """A machine behind a pulled cable is lost; its old attempt ends when the cable is in again."""
        node = self.names.index("m2")
        run, begins = self._begun(node)
        (old,) = self._order("processes", "m2", "ray::Actor")
        self._lose("a cable pulled: noticed, s", run, "cable", "m2", "down")
        self._others_work(node)
        self._order("cable", "m2", "up")
        begun = time.monotonic()
        while old in self._order("processes", "m2", "ray::Actor"):
            time.sleep(0.05)
        self.figures["a cable put in: the old attempt ended, s"] = time.monotonic() - begun
        assert self._eventually(node) is None
        self.figures["a cable put in: the node serves again, s"] = time.monotonic() - begun
        assert len(begins.read_text().splitlines()) == 1, begins.read_text()

    def head_dies(self):
        """Without its head, the nodes of a cluster are given up."""
        run, _ = self._begun(0)
        self._lose("a dead head: noticed, s", run, "switch_off", "head")
        begun = time.monotonic()
        while True:
            try:
                self._call(self.nothing, 0)
            except WorkerGivenUp as error:
                say(f"given up: {error}")
                break
            except WorkerLost:
                time.sleep(0.05)
        self.figures["a dead head: nodes given up, s"] = time.monotonic() - begun

    # ---- tools -----------------------------------------------------------------------------------------------------

    def _call(self, handle, node, *tensors):
        return self.worker.run(lambda o: o.submit_next_level(handle, TaskArgs(*tensors), worker=node)).result()

    def _refused(self, machine, chips=0, seconds=60.0):
        """Why a Worker with a node on this machine does not start: one line."""
        on = Cluster(kind="ray", address=self._head, machine=machine)
        top = Worker(level=4, options=WorkerOptions(start_timeout=patience(seconds)))
        top.add_worker(Worker(level=3, chips=chips, sub_workers=1), on=on)
        with pytest.raises(StartError) as caught:
            top.init()
        text = str(caught.value)
        say(f"refused: {text}")
        assert machine in text, text
        assert "\n" not in text, text
        return text

    def _compare(self, name, other, ours, theirs):
        """Notes the medians of two lists of seconds, and their ratio."""
        self.figures[f"{name}, ms"], self.figures[f"{other}, ms"] = (statistics.median(t) * 1e3 for t in (ours, theirs))
        self.figures[f"{name} / {other}"] = statistics.median(ours) / statistics.median(theirs)

    def _measure(self, name, work):
        begun = time.monotonic()
        work()
        self.figures[name] = time.monotonic() - begun

    def _received(self):
        (described,) = self.worker._session.hosting.describe()
        return sum(host["received_bytes"] for host in described["hosts"])

    def _begun(self, node):
        """A task that has begun on a node and does not end, and the file with one line for each begin."""
        begins = Path(self._folder.name) / f"{node}-{time.monotonic_ns()}"
        path = self.worker.zeros(512, "uint8")
        text = str(begins).encode()
        path.numpy()[: len(text)] = list(text)
        handle = self.worker.register(work.begin_and_stay)
        run = self.worker.submit(lambda o: o.submit_next_level(handle, TaskArgs((path, Tag.INPUT)), worker=node))
        while not begins.exists() or not begins.read_text():
            time.sleep(0.01)
        return run, begins

    def _lose(self, name, run, *fault, then=lambda: None):
        begun = time.monotonic()
        self._order(*fault)
        then()
        with pytest.raises(WorkerLost):
            run.result().result()
        self.figures[name] = time.monotonic() - begun

    def _others_work(self, node):
        for other in set(range(NODES)) - {node}:
            assert self._call(self.nothing, other) is None

    def _eventually(self, node):
        """The value of a task on a node that is being replaced."""
        while True:
            try:
                return self._call(self.nothing, node)
            except WorkerLost:
                time.sleep(0.05)


def _taken(rounds, *works):
    """The seconds that each work returns, interleaved, after one round that does not count."""
    times = [[] for _ in works]
    for number in range(1 + rounds):
        for taken, work_ in zip(times, works, strict=True):
            seconds = work_()
            if number:
                taken.append(seconds)
    return times


def _timed(work_):
    """A function that does this work and returns its seconds."""

    def timed():
        begun = time.monotonic()
        work_()
        return time.monotonic() - begun

    return timed


def table(figures):
    """The figures beside those of the design."""
    lines = [f"{'':58}{'here':>12}   design"]
    lines += [f"{name:58}{value:12.2f}   {_PLANS.get(name, '')}" for name, value in figures.items()]
    return "\n".join(lines)


def say(line):
    """Prints what happens, at once."""
    print(line, flush=True)


def measured():
    """The figures of all days, with a cluster that is made for them and removed."""
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "skewed.py"
        other.write_text(Path(skewed.__file__).read_text().replace("return 1", "return 2"))
        lab = Lab()
        try:
            lab.add("head", cpus=0, head=True)
            for name in ("m1", "m2", "m3", "m4"):
                lab.add(name, over=[(skewed.__file__, other)] if name == "m3" else ())
            return lab.drive("tests.cluster.driver")
        finally:
            lab.close()
