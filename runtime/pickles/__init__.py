"""How values cross between the parent and its children."""
