"""The scheduler in random simulated lives: native/tests/simulate."""

from tests.native.presets import build, run


def test_random_lives_of_the_scheduler_leave_nothing_undone_or_done_twice():
    build("release", "--target", "simulate", "-j2")
    run("ctest", "--preset", "release", "-R", "^simulate$")
