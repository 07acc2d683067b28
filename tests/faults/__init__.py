"""Every system call and allocation of the native core fails, one use after the other: ``python -m tests.faults``."""
