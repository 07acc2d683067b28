"""Builds of the core and of chip callables, and the store that keeps them."""
