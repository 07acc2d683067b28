import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11),
    reason="the committed stub is generated with the oldest Python: newer ones list more methods",
)
def test_generating_the_stub_of_the_core_again_changes_nothing():
    stubs = runpy.run_path(str(ROOT / "native" / "bindings" / "stubs.py"))
    assert stubs["generate"]() == stubs["TARGET"].read_text()
