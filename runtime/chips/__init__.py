"""Chip callables, platforms, and a chip in this process."""
