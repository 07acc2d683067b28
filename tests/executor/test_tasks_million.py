"""A short run of ``python -m tests.soak.tasks_million``, the soak of a million calls."""

from tests.soak.tasks_million import TasksMillion


def test_every_call_of_a_small_soak_is_accounted_for_and_nothing_grows():
    soak = TasksMillion(calls=6000, workers=2, failures=0.01, cancellations=0.01, overstays=0.001, deaths=0.001, seed=3)
    soak.run()
    assert soak.complaints == []
    assert {"fail: raised", "overstay: deadline exceeded", "die: lost with its worker"} <= set(soak.outcomes)
    assert any(outcome.startswith("cancel: ") for outcome in soak.outcomes)  # the workers may be faster
