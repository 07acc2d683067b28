"""What all tests begin with, and how a run of them ends."""

import signal

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.did_not_run", "tests.fast", "tests.time_limit"]

# A shell without job control starts what runs in the background with interrupts ignored, and so would be every program
# that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No property fails because the machine is busy; and fixtures that all examples of a test share are meant to be shared.
settings.register_profile(
    "any speed", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
settings.load_profile("any speed")
