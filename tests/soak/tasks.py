"""What the soak's sub-workers execute; a module of its own, so that they import nothing else."""


def bump(args):
    """Adds one to its cell."""
    args[0][0] += 1


def numbered(number):
    """One of the callables that come and go."""
    return lambda args: number
