"""How long a graph would take on chips that are only modelled."""
