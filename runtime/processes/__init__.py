"""Which processes a Worker consists of, and how they are started."""
