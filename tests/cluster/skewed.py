"""A callable that is identified by its source; one machine of the tests has another file in its place."""

from runtime import by_source


@by_source
def skewed(o, args):
    """Returns a value."""
    return 1
