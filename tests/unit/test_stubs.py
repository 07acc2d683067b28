import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def test_generating_the_stub_of_the_core_again_changes_nothing():
    stubs = runpy.run_path(str(ROOT / "native" / "bindings" / "stubs.py"))
    assert stubs["generate"]() == stubs["TARGET"].read_text()
