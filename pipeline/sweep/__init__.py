"""Sweeps: many points of one configuration in one command, and what they leave together."""
