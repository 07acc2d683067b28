"""The functions that the tests call: a module, so that sub-workers can import them by name."""

import os
import signal
import time
from pathlib import Path

STATUS = {}


def nothing():
    """The smallest call."""


def keep(value):
    return value


def kill_me():
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(folder):
    """Kills its process the first time; returns normally the second time."""
    mark = Path(folder) / "died"
    if not mark.exists():
        mark.touch()
        kill_me()
    return "second"


def wait_for(path):
    while not Path(path).exists():
        time.sleep(0.002)
    return os.getpid()


def touch_and_wait(mark, path):
    Path(mark).touch()
    return wait_for(path)


def initialize(text, log=None):
    STATUS["is"] = text
    if log:
        with Path(log).open("a") as file:
            file.write(f"{os.getpid()}\n")


def current_status():
    return os.getpid(), STATUS.get("is")


def initialize_if_there(path):
    if not Path(path).exists():
        raise FileNotFoundError(path)


class OnlyWith:
    """An initializer that cannot be unpickled without a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return only_with, (self.path,)

    def __call__(self):
        """Does nothing."""


def only_with(path):
    if not Path(path).exists():
        raise FileNotFoundError(f"{Path(path).name} is gone")
    return OnlyWith(path)


def raise_it(error):
    raise error


class Failing:
    """Has a class method that raises."""

    @classmethod
    def fail(cls):
        raise LookupError("of a class")


def wait_if(value, path):
    """Waits for the file if ``path`` names one."""
    if path is not None:
        wait_for(path)
    return value


def ignore_and_wait(mark, path):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return touch_and_wait(mark, path)
