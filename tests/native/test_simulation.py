"""Runs the scheduler in random simulated programs: native/tests/simulate."""

from tests.native.planted import Planter, look_for
from tests.native.planted_defects import DEFECTS
from tests.native.presets import build, run


def test_random_programs_execute_every_task_exactly_once():
    build("release", "--target", "simulate", "-j2")
    run("ctest", "--preset", "release", "-R", "^simulate$")


def test_the_simulator_finds_a_task_that_is_ended_twice(tmp_path):
    (defect,) = [each for each in DEFECTS if each.name == "what follows a lost task is ended twice"]
    assert look_for(defect, Planter(tmp_path), events=10_000_000, seed=1).events is not None
