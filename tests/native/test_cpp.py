import pytest

from tests.native.presets import build, run


@pytest.mark.parametrize("preset", ["asan", "tsan"])
def test_cpp_tests_pass_under(preset):
    build(preset)
    run("ctest", "--preset", preset)
