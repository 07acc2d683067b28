"""What the tests execute on other machines."""

import os
import platform
import time
from pathlib import Path

import numpy as np

COUNT = 8 << 20
"""Doubles of a tensor of 64 MiB."""


def nothing(o, args):
    """Does nothing."""


def where(o, args):
    """Doubles a tensor, and says where."""
    args[1].numpy()[...] = 2 * args[0].numpy()
    return platform.node()


def fill(o, args):
    """Fills a tensor with a scalar."""
    args[0].numpy()[...] = args.scalars[0]


def follow(o, args):
    """Writes the input plus 1."""
    np.add(args[0].numpy(), 1, out=args[1].numpy())


def begin_and_stay(o, args):
    """Adds a line to the file of its begins, and stays."""
    with Path(bytes(args[0].numpy()).decode().rstrip("\0")).open("a") as begins:
        begins.write(f"{platform.node()} {os.getpid()}\n")
    time.sleep(600)
