"""The stages of a run, in order; each a small function from one frozen result to the next."""
