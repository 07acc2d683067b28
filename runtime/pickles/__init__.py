"""How values travel between the parent and its children as bytes."""
