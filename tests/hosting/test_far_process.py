"""A far side in a process of its own or in that of its caller: what is said when it cannot begin."""

import pytest

from runtime.hosting.door import HostLost
from runtime.hosting.far_here import FarHere
from runtime.hosting.far_process import FarProcess


@pytest.mark.parametrize("kind", [FarProcess, FarHere])
@pytest.mark.parametrize(
    ("far_side", "message"),
    [
        ("runtime.no_such:Host", "ModuleNotFoundError: No module named 'runtime.no_such'"),
        ("runtime.hosting.facts:Host", "AttributeError: module 'runtime.hosting.facts' has no attribute 'Host'"),
    ],
)
def test_a_far_side_that_cannot_begin_says_why_and_for_which_python(kind, far_side, message):
    far = kind(far_side)
    with pytest.raises(HostLost, match=r"callring does not start for .*python.* there: ") as caught:
        far.call("hello", b"", [], control=False)
    assert caught.value.args[0].endswith(message)
    far.kill()
