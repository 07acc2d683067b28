"""What all tests begin with."""

import signal

# A shell without job control starts what runs in the background with interrupts ignored, and so would be every program
# that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
