"""Good and bad days of a cluster of machines: what is checked, and what is measured."""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from runtime import Tag, TaskArgs, Worker, WorkerOptions
from runtime.errors import PartialFailureError, WorkerGivenUp, WorkerLost
from runtime.hosting import Cluster
from tests.cluster import skewed, work
from tests.cluster.machines import Lab
from tests.patience import patience

LOST_AFTER = 5.0
NODES = 4
_SMALL = 1 << 20
_PLANS = {
    "empty sub-graph, ms": "1.6-2.8",
    "registration on 4 nodes, ms": "4-10 (2-3 nodes)",
    "64 MiB from node to node, ms": "150-480",
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
                self.transfer,
                self.skew,
                self.actor_killed,
                self.machine_off,
                self.machine_joins,
                self.cable,
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
        assert self._call(self.nothing, 0) is None
        times = []
        for _ in range(100):
            begun = time.monotonic()
            self._call(self.nothing, 0)
            times.append(time.monotonic() - begun)
        self.figures["empty sub-graph, ms"] = statistics.median(times) * 1e3

    def transfer(self):
        """Large tensors go from node to node, past the driver."""
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

        times = {}
        for hops in (1, 5):
            begun = time.monotonic()
            self.worker.run(lambda o, hops=hops: chain(o, hops))
            times[hops] = time.monotonic() - begun
        self.figures["64 MiB from node to node, ms"] = (times[5] - times[1]) / 4 * 1e3
        passed = self._received() - before
        self.figures["bytes of a 5-hop chain of 64 MiB that passed the driver"] = passed
        assert passed < _SMALL, passed

    def skew(self):
        """A callable that is identified by its source is refused by the machine that has another source."""
        with pytest.raises(PartialFailureError) as caught:
            self.worker.register(skewed.skewed)
        say(f"refused: {caught.value}")
        refused = [self.names[node] for node in range(NODES) if f"node {node}:" in str(caught.value)]
        assert refused == ["m3"], refused

    # ---- bad days --------------------------------------------------------------------------------------------------

    def actor_killed(self):
        """The end of an actor's process is noticed, and other nodes go on."""
        node = self.names.index("m1")
        run, _ = self._begun(node)
        self._lose("an actor killed: noticed, s", run, "kill", "m1", "ray::Actor")
        self._others_work(node)
        assert self._eventually(node) is None

    def machine_off(self):
        """A machine that is switched off is lost, and other nodes go on."""
        node = self.names.index("m4")
        run, _ = self._begun(node)
        self._lose("a machine switched off: noticed, s", run, "switch_off", "m4")
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
        (old,) = self._order("processes", "m2", "far_process")
        self._lose("a cable pulled: noticed, s", run, "cable", "m2", "down")
        self._others_work(node)
        self._order("cable", "m2", "up")
        begun = time.monotonic()
        while old in self._order("processes", "m2", "far_process"):
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

    def _lose(self, name, run, *fault):
        begun = time.monotonic()
        self._order(*fault)
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
