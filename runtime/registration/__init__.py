"""How a callable that a user registers becomes bytes, and what of it is installed where."""
