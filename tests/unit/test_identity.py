import hashlib
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import _core, identity
from runtime.errors import ConfigurationError, HashidFormatError

directions = st.lists(st.sampled_from(list(identity.ArgDirection)), max_size=20)
platforms = st.sampled_from(["", "a2a3", "a2a3sim", "a5", "a5sim"])


def test_golden_vector_of_a_serialized_callable():
    descriptor = identity.build_python_serialized_descriptor(b"x")
    assert len(descriptor) == 52
    assert (
        identity.compute_callable_hashid(descriptor)
        == "sha256:de153c00163f4359ec4822d056252279208c94a2d22135685e592ad08ed27bcb"
    )


def test_golden_vector_of_a_chip_callable():
    descriptor = identity.build_chip_callable_descriptor(
        blob=b"blob", signature=[], platform="a2a3sim", runtime="tensormap_and_ringbuffer"
    )
    assert len(descriptor) == 127
    assert (
        identity.compute_callable_hashid(descriptor)
        == "sha256:588d5ab9f7206962e3e52a42a5243265f79f0a9f4d3db934ee9079173284d1b6"
    )


def test_golden_vectors_of_signature_schema_hashes():
    empty = identity.signature_schema_hash([])
    assert empty.hex() == "7c9fa136d4413fa6173637e883b6998d32e1d675f88cddff9dcbcf331820f4b8"
    three = identity.signature_schema_hash([1, 1, 2])
    assert three.hex() == "ce92de584494e4e8cede4ff1a5cefb98b471876d9c2a7e7b69b352a005f22e1b"


@given(blob=st.binary(), signature=directions, platform=platforms, runtime=st.text())
def test_python_and_native_describe_chip_callables_alike(blob, signature, platform, runtime):
    described = identity.build_chip_callable_descriptor(
        blob=blob, signature=signature, platform=platform, runtime=runtime
    )
    numbers = [int(direction) for direction in signature]
    assert described == _core.chip_callable_descriptor(blob, numbers, platform, runtime)
    assert _core.validate_descriptor(described) == 1


@given(size=st.integers(0, 70_000), seed=st.integers(0, 2**32 - 1))
def test_native_hashes_payloads_of_any_size_as_hashlib_does(size, seed):
    payload = random.Random(seed).randbytes(size)
    assert _core.python_serialized_descriptor(payload)[-32:] == hashlib.sha256(payload).digest()


@given(st.binary())
def test_python_and_native_describe_serialized_callables_alike(payload):
    described = identity.build_python_serialized_descriptor(payload)
    assert described == _core.python_serialized_descriptor(payload)
    assert _core.validate_descriptor(described) == 2


@given(st.binary())
def test_an_envelope_gives_back_its_payload(payload):
    assert _core.open_envelope(_core.wrap_envelope(payload)) == payload


@given(st.binary(max_size=64))
def test_no_random_bytes_are_a_descriptor_or_an_envelope(junk):
    for decode in (_core.validate_descriptor, _core.open_envelope):
        with pytest.raises(_core.NativeError):
            decode(junk)


@given(st.text(alphabet="sha256:0123456789abcdefABCDEF \n", max_size=80))
def test_a_hashid_has_only_one_spelling(text):
    body = text.removeprefix("sha256:")
    proper = text.startswith("sha256:") and len(body) == 64 and set(body) <= set("0123456789abcdef")
    if proper:
        assert identity.hashid_to_digest(text).hex() == body
    else:
        with pytest.raises(HashidFormatError):
            identity.validate_hashid(text)


def test_a_trailing_line_feed_is_no_part_of_a_hashid():
    with pytest.raises(HashidFormatError):
        identity.validate_hashid("sha256:" + "0" * 64 + "\n")


def test_an_unknown_platform_is_named_with_the_known_ones():
    with pytest.raises(ConfigurationError, match=r"a9.*a2a3sim"):
        identity.build_chip_callable_descriptor(blob=b"", signature=[], platform="a9", runtime="r")


def test_a_source_descriptor_covers_module_name_and_source(tmp_path, monkeypatch):
    module = tmp_path / "some_module_of_ours.py"
    monkeypatch.syspath_prepend(tmp_path)
    module.write_text("def f(args):\n    return 1\n")
    first = identity.build_python_source_descriptor("some_module_of_ours:f")
    assert first == identity.build_python_source_descriptor("some_module_of_ours:f")
    assert first != identity.build_python_source_descriptor("some_module_of_ours:g")
    module.write_text("def f(args):\n    return 2\n")
    assert first != identity.build_python_source_descriptor("some_module_of_ours:f")


def test_a_source_in_nested_namespace_packages_is_found_without_importing_them(tmp_path, monkeypatch):
    inner = tmp_path / "a_namespace_of_ours" / "inner"
    inner.mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path)
    (inner / "module.py").write_text("def f(args):\n    return 1\n")
    assert identity.module_file("a_namespace_of_ours.inner.module") == inner / "module.py"
    with pytest.raises(ConfigurationError, match="cannot be found"):
        identity.module_file("a_namespace_of_ours.inner.missing")
    with pytest.raises(ConfigurationError, match="has no source file"):
        identity.module_file("a_namespace_of_ours.inner")
    assert "a_namespace_of_ours" not in sys.modules


@pytest.mark.parametrize("target", ["", "module", "a:b:c", "1a:b", "no_such_module_at_all:f", "sys:exit", "a b:c"])
def test_a_source_target_without_a_function_is_refused(target):
    with pytest.raises(ConfigurationError):
        identity.build_python_source_descriptor(target)


def test_a_source_hashid_does_not_depend_on_the_hash_seed():
    code = (
        "from runtime import identity as i; "
        "print(i.compute_callable_hashid(i.build_python_source_descriptor('json.decoder:JSONDecoder')))"
    )
    outcomes = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outcomes) == 1


def other_pythons():
    """Interpreters of other supported versions, on the path or in pyenv."""
    found = {}
    for minor in range(11, 16):
        name = f"python3.{minor}"
        pyenv = sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/{name}"))
        path = str(pyenv[-1]) if pyenv else shutil.which(name)
        if path and minor != sys.version_info.minor:
            found[name] = path
    return found


@pytest.mark.parametrize("name", [f"python3.{minor}" for minor in range(11, 16)])
def test_a_source_hashid_is_the_same_on_every_python(name, tmp_path):
    path = other_pythons().get(name)
    if path is None:
        pytest.skip(f"{name} is the current interpreter, or not installed")
    (tmp_path / "ours.py").write_text("def f(args):\n    return 1\n")
    code = "from runtime import identity as i; print(i.build_python_source_descriptor('ours:f').hex())"
    root = Path(__file__).resolve().parent.parent.parent
    environment = {"PYTHONPATH": f"{root}{os.pathsep}{tmp_path}", "PYTHONDONTWRITEBYTECODE": "1"}
    outcomes = {
        subprocess.run([python, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout
        for python in (path, sys.executable)
    }
    assert len(outcomes) == 1


def test_identity_needs_neither_the_native_core_nor_numpy():
    code = (
        "import sys, runtime.identity, runtime.errors; "
        "assert not {'runtime._core', 'numpy', 'hydra'} & set(sys.modules), sorted(sys.modules)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "CALLRING_CORE_DIR"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
