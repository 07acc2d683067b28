"""Settings for all tests, and the last lines of a test run."""

import os
import signal

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.did_not_run", "tests.fast", "tests.time_limit"]

# A shell without job control lets background processes ignore interrupts; the programs that the tests start and
# interrupt would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Containers often have it set; each of the many programs that the tests start would then compile all modules again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# No property test fails because the machine is busy, and fixtures may be shared by all examples of a test.
settings.register_profile(
    "any speed", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
settings.load_profile("any speed")
