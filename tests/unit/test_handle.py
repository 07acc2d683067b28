import copy
import pickle

import pytest

from runtime import CallableHandle, CallableKind, TargetNamespace
from runtime.errors import HashidFormatError, KindUnsupportedError

HASHID = "sha256:588d5ab9" + "0" * 56


def handle(kind="CHIP_CALLABLE", namespace="LOCAL_CHIP"):
    return CallableHandle(HASHID, kind, namespace)


def test_kinds_and_namespaces_may_be_enums_or_names():
    assert handle() == CallableHandle(HASHID, CallableKind.CHIP_CALLABLE, TargetNamespace.LOCAL_CHIP)
    assert handle().kind == "CHIP_CALLABLE"


def test_a_handle_is_immutable():
    made = handle()
    with pytest.raises(AttributeError, match="immutable"):
        made.hashid = HASHID
    with pytest.raises(AttributeError, match="immutable"):
        del made.hashid
    with pytest.raises(AttributeError):
        made.anything = 1


def test_a_handle_is_hashable_and_short_to_read():
    assert len({handle(), handle()}) == 1
    assert repr(handle()) == "<CallableHandle chip 588d5ab9>"


def test_a_handle_keeps_its_identity_through_pickle():
    arrived = pickle.loads(pickle.dumps(handle()))
    assert arrived == handle()
    assert arrived.hashid == HASHID


def test_a_copy_of_a_handle_is_the_handle():
    made = handle()
    assert copy.copy(made) is made
    assert copy.deepcopy([made])[0] is made


def test_no_slot_and_no_owner_is_public():
    public = {name for name in dir(handle()) if not name.startswith("_")}
    assert public == {"hashid", "kind", "target_namespace"}


@pytest.mark.parametrize(
    ("kind", "namespace"),
    [
        ("CHIP_CALLABLE", "LOCAL_PYTHON"),
        ("PYTHON_SERIALIZED", "LOCAL_CHIP"),
        ("PYTHON_SOURCE", "LOCAL_CHIP"),
        ("OTHER", "LOCAL_CHIP"),
        ("CHIP_CALLABLE", "ELSEWHERE"),
    ],
)
def test_a_kind_must_be_known_and_belong_to_its_namespace(kind, namespace):
    with pytest.raises(KindUnsupportedError):
        handle(kind, namespace)


def test_a_handle_with_an_invalid_hashid_is_refused():
    with pytest.raises(HashidFormatError):
        CallableHandle(HASHID.upper(), "CHIP_CALLABLE", "LOCAL_CHIP")
