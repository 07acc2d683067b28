"""How a registered callable becomes bytes, and in which children it is installed."""
