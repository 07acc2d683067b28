"""The errors of wrong handles, and the order of the checks: type, owner, liveness, integrity, namespace."""

import pytest

from runtime import Worker, WorkerOptions
from runtime.errors import (
    CallringError,
    HandleForeignError,
    HandleStaleError,
    NamespaceMismatchError,
    SlotExhaustedError,
)
from tests.patience import patience


def one(args):
    return 1


def two(args):
    return 2


def altered(handle, other):
    """Makes ``handle`` name the callable of ``other``."""
    for name in ("hashid", "kind", "target_namespace"):
        object.__setattr__(handle, name, getattr(other, name))
    return handle


def refusal(kind, use):
    """Calls ``use``, which must raise exactly ``kind``. Returns the error."""
    with pytest.raises((CallringError, TypeError)) as caught:
        use()
    assert type(caught.value) is kind, caught.value
    return caught.value


@pytest.fixture
def worker():
    with Worker(chips=1, sub_workers=1, options=WorkerOptions(control_timeout=patience(2.0))) as made:
        yield made


def test_a_value_that_is_no_handle_is_a_type_error_before_any_other_check(worker):
    assert "register it first" in str(refusal(TypeError, lambda: worker.unregister("sha256:" + "0" * 64)))


def test_a_foreign_handle_is_foreign_even_if_it_is_stale_and_of_another_namespace(worker, chip):
    with Worker(chips=1) as other:
        handle = other.register(chip["add"])
        other.unregister(handle)
        error = refusal(HandleForeignError, lambda: worker.run(lambda o: o.submit_sub(handle)))
        assert (error.code, error.hashid, error.namespace) == ("CALLABLE_HANDLE_FOREIGN", handle.hashid, "LOCAL_CHIP")
        assert error.operation == "submit_sub"


def test_a_stale_handle_is_stale_even_if_it_was_altered_and_is_of_another_namespace(worker, chip):
    handle = worker.register(chip["add"])
    worker.unregister(handle)
    altered(handle, worker.register(one))
    assert refusal(HandleStaleError, lambda: worker.run(lambda o: o.submit_next_level(handle, worker=0))).operation


def test_an_altered_handle_is_foreign_before_its_namespace_is_checked(worker, chip):
    handle = altered(worker.register(one), worker.register(chip["add"]))
    refusal(HandleForeignError, lambda: worker.run(lambda o: o.submit_sub(handle)))
    refusal(HandleForeignError, lambda: worker.run(lambda o: o.submit_next_level(handle, worker=0)))
    refusal(HandleForeignError, lambda: worker.unregister(handle))


def test_the_namespace_of_a_handle_is_checked_last(worker, chip):
    error = refusal(NamespaceMismatchError, lambda: worker.run(lambda o: o.submit_sub(worker.register(chip["add"]))))
    assert (error.code, error.namespace) == ("CALLABLE_NAMESPACE_MISMATCH", "LOCAL_CHIP")


def test_a_handle_that_was_pickled_within_a_callable_names_the_same_identity():
    with Worker(sub_workers=1) as worker:
        handle = worker.register(one)
        look = worker.register(lambda args: (handle, handle.hashid, repr(handle)))
        back, hashid, shown = worker.run(lambda o: o.submit_sub(look)).result()
        assert (hashid, shown) == (handle.hashid, repr(handle))
        assert (back.hashid, back.kind, back.target_namespace) == (hashid, handle.kind, handle.target_namespace)
        refusal(HandleForeignError, lambda: worker.run(lambda o: o.submit_sub(back)))


def test_an_orchestration_function_needs_no_registration_and_a_handle_is_refused_as_one():
    with Worker(sub_workers=1) as worker:
        assert worker.run(lambda o: "ran") == "ran"
        assert not any(child.installed for child in worker.children)
        handle = worker.register(one)
        assert "orchestration function itself" in str(refusal(TypeError, lambda: worker.run(handle)))


def test_exhausted_slots_change_nothing_and_a_release_makes_room():
    with Worker(sub_workers=2, options=WorkerOptions(max_callables=2)) as worker:
        first, second = worker.register(one), worker.register(two)
        again = worker.register(one)  # the same identity takes no further slot
        before = [child.installed for child in worker.children]
        error = refusal(SlotExhaustedError, lambda: worker.register(abs))
        assert (error.code, error.operation, error.namespace) == ("LOCAL_SLOT_EXHAUSTED", "register", "LOCAL_PYTHON")
        assert "max_callables" in str(error)
        assert [child.installed for child in worker.children] == before
        for handle in (first, again):
            worker.unregister(handle)
        third = worker.register(abs)
        assert [child.installed for child in worker.children] == [{second.hashid: 1, third.hashid: 1}] * 2
        assert worker.run(lambda o: o.submit_sub(second)).result() == 2
