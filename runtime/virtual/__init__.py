"""How long a graph would take on modelled chips."""
