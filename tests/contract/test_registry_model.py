"""Random interleavings of registrations, removals, runs and deaths on a real Worker, compared with a model."""

import os
import pickle
import signal
import time

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule

from runtime import Tag, TaskArgs, Worker, WorkerOptions
from runtime.errors import HandleStaleError, RegisterTombstoneError, UnregisterTombstoneError, WorkerLost
from tests.contract.conftest import all_ready, descendants, wait_until

FUNCTIONS = [abs, len, max, min]


class RegistryModel(RuleBasedStateMachine):
    """The model is the number of live handles of each hashid. Everything else follows from it."""

    handles = Bundle("handles")

    @initialize()
    def start(self):
        self.before = descendants()
        self.worker = Worker(sub_workers=2, options=WorkerOptions(max_restarts=1000))
        self.started = False
        self.live = {}
        self.incarnations = 2

    def count(self, handle, change):
        self.live[handle.hashid] = self.live.get(handle.hashid, 0) + change
        if not self.live[handle.hashid]:
            del self.live[handle.hashid]

    @precondition(lambda self: not self.started)
    @rule()
    def init(self):
        self.worker.init()
        self.started = True

    @rule(target=handles, which=st.integers(0, len(FUNCTIONS) - 1))
    def register(self, which):
        handle = self.worker.register(FUNCTIONS[which])
        self.count(handle, +1)
        return handle

    @rule(handle=consumes(handles))
    def unregister(self, handle):
        self.worker.unregister(handle)
        self.count(handle, -1)
        for use in (self.worker.unregister, self.submit):
            try:
                use(handle)
            except (HandleStaleError, UnregisterTombstoneError):
                continue
            if self.started:
                raise AssertionError("a handle that was released still works")

    def submit(self, handle):
        if self.started:
            return self.worker.submit(lambda o: o.submit_sub(handle, TaskArgs(scalars=[1])))
        return None

    @precondition(lambda self: self.started)
    @rule(handle=handles)
    def run(self, handle):
        error = self.submit(handle).exception(20)
        # The callables get one argument that usually does not fit: an error of the callable is fine.
        assert not isinstance(error, WorkerLost)

    @precondition(lambda self: self.started)
    @rule(which=st.integers(0, 1))
    def kill(self, which):
        pid = self.worker.children[which].pid
        if pid > 0:
            os.kill(pid, signal.SIGKILL)
            self.incarnations += 1
            assert wait_until(lambda: sum(c.incarnation for c in self.worker.children) == self.incarnations)

    @precondition(lambda self: self.started)
    @rule(handle=consumes(handles), which=st.integers(0, 1))
    def unregister_while_a_child_dies(self, handle, which):
        run = self.submit(handle)
        pid = self.worker.children[which].pid
        if pid > 0:
            os.kill(pid, signal.SIGKILL)
            self.incarnations += 1
        self.worker.unregister(handle)
        self.count(handle, -1)
        assert run.wait(20)
        assert wait_until(lambda: sum(c.incarnation for c in self.worker.children) == self.incarnations)

    @rule(handle=handles)
    def a_copy_of_a_handle_counts_for_nothing(self, handle):
        copy = pickle.loads(pickle.dumps(handle))
        assert copy.hashid == handle.hashid
        assert copy != handle

    @invariant()
    def children_have_what_the_model_says(self):
        if not getattr(self, "started", False):
            return
        # The effects of deaths and final removals end by themselves; nothing else may change.
        assert all_ready(self.worker)
        assert wait_until(lambda: all(child.installed == self.live for child in self.worker.children)), (
            self.live,
            self.worker.children,
        )

    def teardown(self):
        if hasattr(self, "worker"):
            self.worker.close()
            assert wait_until(lambda: not descendants() - self.before)


RegistryModel.TestCase.settings = settings(
    max_examples=12, stateful_step_count=25, suppress_health_check=list(HealthCheck)
)
TestRegistryModel = RegistryModel.TestCase


def test_a_tombstone_refuses_registrations_and_removals_and_changes_nothing():
    def wait_for_gate(args):
        while not args[0][0]:
            time.sleep(0.001)

    with Worker(sub_workers=1) as worker:
        gate = worker.zeros(1, "float64")
        handle = worker.register(wait_for_gate)
        run = worker.submit(lambda o: o.submit_sub(handle, TaskArgs((gate, Tag.NO_DEP))) and None)
        worker.unregister(handle)
        for _ in range(3):
            with pytest.raises(RegisterTombstoneError) as refused:
                worker.register(wait_for_gate)
            assert refused.value.hashid == handle.hashid
            with pytest.raises(UnregisterTombstoneError) as refused:
                worker.unregister(handle)
            assert refused.value.hashid == handle.hashid
        gate.numpy()[0] = 1
        run.result(10)
        assert wait_until(lambda: not worker.children[0].installed)
        with pytest.raises(HandleStaleError):
            worker.unregister(handle)
        again = worker.register(wait_for_gate)
        assert worker.children[0].installed == {again.hashid: 1}
