"""The core handles every field of the envelope as docs/explanation/python-serialisation.md says."""

import re

import cloudpickle
import pytest

from runtime import _core
from tests.docs.blocks import DOCS

_PAGE = (DOCS / "explanation" / "python-serialisation.md").read_text()
_FIELDS = re.findall(r"^\| (\d+) \| (\d+) \| [^|]+ \| ([^|]*) \| `([^`]+)` \|$", _PAGE, flags=re.MULTILINE)
_PICKLE = cloudpickle.dumps(42)


def test_an_envelope_has_the_fields_of_the_page():
    made = bytearray()
    for offset, size, value, _ in _FIELDS:
        assert int(offset) == len(made)
        if "SPYC" in value:
            made += b"SPYC"
        elif number := re.match(r"\d+", value):
            made += int(number[0]).to_bytes(int(size), "little")
        else:
            made += len(_PICKLE).to_bytes(int(size), "little")
    assert _core.wrap_envelope(_PICKLE) == bytes(made) + _PICKLE
    assert _core.open_envelope(bytes(made) + _PICKLE) == _PICKLE


@pytest.mark.parametrize(("offset", "size", "words"), [(int(o), int(s), words) for o, s, _, words in _FIELDS])
def test_a_wrong_field_is_refused_with_the_words_of_the_page(offset, size, words):
    for at in range(offset, offset + size):
        envelope = bytearray(_core.wrap_envelope(_PICKLE))
        envelope[at] ^= 1
        with pytest.raises(_core.NativeError, match=words):
            _core.open_envelope(bytes(envelope))


def test_an_envelope_of_wrong_length_is_refused_with_the_words_of_the_page():
    envelope = _core.wrap_envelope(_PICKLE)
    for wrong, words in (
        (envelope + b"x", "size contradicts its envelope"),
        (envelope[:15], "shorter than its envelope"),
    ):
        assert f"`{words}`" in _PAGE
        with pytest.raises(_core.NativeError, match=words):
            _core.open_envelope(wrong)


def test_the_bounds_of_values_are_those_of_the_page():
    assert f"buffers of {_core.LEAST_EXTENT >> 10} KiB and more" in _PAGE
    assert f"at most {_core.MOST_BUFFERS:,} buffers" in _PAGE
