"""Sweeps: many points of one configuration in one command, and their common results."""
