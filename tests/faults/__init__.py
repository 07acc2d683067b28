"""Lets every use of a system call or allocation of the native core fail, one at a time: ``python -m tests.faults``."""
