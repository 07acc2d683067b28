import concurrent.futures
import pickle

import pytest

from runtime import errors

TABLE = [
    ("HASHID_FORMAT_INVALID", errors.HashidFormatError, ValueError),
    ("HASHID_DESCRIPTOR_MISMATCH", errors.DescriptorMismatchError, RuntimeError),
    ("CALLABLE_KIND_UNSUPPORTED", errors.KindUnsupportedError, ValueError),
    ("CALLABLE_HANDLE_FOREIGN", errors.HandleForeignError, KeyError),
    ("CALLABLE_HANDLE_STALE", errors.HandleStaleError, KeyError),
    ("CALLABLE_NAMESPACE_MISMATCH", errors.NamespaceMismatchError, TypeError),
    ("LOCAL_SLOT_EXHAUSTED", errors.SlotExhaustedError, RuntimeError),
    ("REGISTER_PARTIAL_FAILURE", errors.PartialFailureError, RuntimeError),
    ("REGISTER_CLEANUP_UNCERTAIN", errors.CleanupUncertainError, RuntimeError),
    ("REGISTER_TOMBSTONE_ACTIVE", errors.RegisterTombstoneError, RuntimeError),
    ("UNREGISTER_TOMBSTONE_ACTIVE", errors.UnregisterTombstoneError, KeyError),
    ("CONTROL_TIMEOUT", errors.ControlTimeout, TimeoutError),
    ("WORKER_LOST", errors.WorkerLost, concurrent.futures.BrokenExecutor),
]


@pytest.mark.parametrize(("code", "kind", "builtin"), TABLE)
def test_each_error_has_its_code_and_derives_from_the_builtin_that_users_catch(code, kind, builtin):
    error = kind("what happened", hashid="sha256:00", worker="chip 3", operation="register")
    assert isinstance(error, errors.CallringError)
    assert isinstance(error, builtin)
    assert error.code == code
    assert all(word in str(error) for word in ("what happened", code, "sha256:00", "chip 3", "register"))


@pytest.mark.parametrize("kind", [entry[1] for entry in TABLE] + [errors.ChipError, errors.CompileError])
def test_an_error_survives_pickling_with_its_fields(kind):
    error = kind("why", **dict.fromkeys(kind.fields, "value"))
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert all(getattr(copy, name) == "value" for name in kind.fields)


def test_an_unknown_field_is_a_programming_error():
    with pytest.raises(TypeError, match="slot"):
        errors.ChipError("why", slot=3)
