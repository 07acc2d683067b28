"""The name under which a callable is registered only appears in messages."""

import pytest

from runtime import Worker


def fails(args):
    raise ValueError("no")


def test_messages_use_the_name_under_which_a_callable_was_registered():
    with Worker(level=3, chips=0, sub_workers=1) as worker:
        plain, named = worker.register(fails), worker.register(fails, name="division")
        assert plain.hashid == named.hashid
        assert "division" in repr(named)
    with Worker(level=3, chips=0, sub_workers=1) as worker:
        named = worker.register(fails, name="division")
        with pytest.raises(ValueError, match="no") as caught:
            worker.run(lambda o: o.submit_sub(named)).result()
    assert any("callable division (sha256:" in note for note in caught.value.__notes__)
