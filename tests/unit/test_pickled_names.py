"""The public names within pickles: they are part of the hashids of functions that use them, and of users' locks."""

import importlib
import pickle
import pickletools
import subprocess
import sys

import cloudpickle
import pytest

import runtime
from runtime import CallableKind, TargetNamespace, errors, identity
from runtime.identity.handle import expected_handle

MODULES = {
    "runtime._core": ["Tensor"],
    "runtime.children": ["ChildInfo"],
    "runtime.chip_callable": ["ChipCallable", "CoreCallable"],
    "runtime.chip_model": ["ChipModel", "TaskCost"],
    "runtime.chip_worker": ["ChipWorker"],
    "runtime.executor": ["Executor"],
    "runtime.graph": ["Graph", "GraphTask"],
    "runtime.handle": ["CallableHandle", "CallableKind", "TargetNamespace"],
    "runtime.identity": ["ArgDirection"],
    "runtime.observe.host_info": ["HostInfo"],
    "runtime.options": ["CallConfig", "WorkerOptions"],
    "runtime.orchestrator": ["Orchestrator"],
    "runtime.recorder": ["Recorder"],
    "runtime.run_handle": ["GroupTask", "RunHandle", "Task"],
    "runtime.scalar": ["Scalar"],
    "runtime.serialize": ["by_signature", "by_source"],
    "runtime.stats": ["WorkerStats"],
    "runtime.tags": ["Tag"],
    "runtime.tensor": ["TaskArgs", "TensorArgs"],
    "runtime.topology": ["Topology"],
    "runtime.trace": ["CoreSpan", "Glimpse", "TaskSpan", "Trace"],
    "runtime.virtual_time": ["VirtualSpan", "VirtualTime"],
    "runtime.worker": ["Worker"],
}
NAMES = [(module, name) for module, names in MODULES.items() for name in names]


def strings(pickled):
    return [argument for _, argument, _ in pickletools.genops(pickled) if isinstance(argument, str)]


def test_every_public_name_is_in_this_list():
    assert sorted(name for _, name in NAMES) == sorted(runtime.__all__)


@pytest.mark.parametrize(("module", "name"), NAMES)
@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps])
def test_the_pickle_of_a_public_name_has_not_changed(module, name, dumps):
    value = getattr(runtime, name)
    assert strings(dumps(value)) == [module, name]
    assert getattr(importlib.import_module(module), name) is value


def test_a_process_that_has_imported_none_of_them_loads_them():
    pickles = {name: pickle.dumps(getattr(runtime, name)) for _, name in NAMES}
    program = f"""
import pickle, runtime
loaded = {{name: pickle.loads(pickled) for name, pickled in {pickles!r}.items()}}
assert all(value is getattr(runtime, name) for name, value in loaded.items()), loaded
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_pickles_of_names_in_identity_and_errors_have_not_changed():
    of_identity = [name for name in identity.__all__ if not hasattr(runtime, name)]
    assert of_identity
    for name in of_identity:
        module = "runtime.handle" if name == "validate_hashid" else "runtime.identity"
        assert strings(pickle.dumps(getattr(identity, name))) == [module, name]
    assert strings(pickle.dumps(errors.TaskTimeout("late")))[:2] == ["runtime.errors", "_rebuild"]


def test_the_pickle_of_a_handle_has_not_changed():
    hashid, kind, namespace = f"sha256:{64 * '0'}", "PYTHON_SOURCE", "LOCAL_PYTHON"
    handle = expected_handle(hashid, CallableKind(kind), TargetNamespace(namespace), "f")
    of_handle = ["runtime.handle", "_arrived", hashid, "CallableKind", kind, "TargetNamespace", namespace, "f"]
    # A CPython before 3.11.4 gets the member of an enumeration by its name.
    assert [text for text in strings(pickle.dumps(handle, 5)) if text not in ("builtins", "getattr")] == of_handle
