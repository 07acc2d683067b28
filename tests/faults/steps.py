"""The steps of scenarios. A step may end with a Callring error, and with no other error."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from runtime.errors import CallringError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.control import ControlFile

OURS = (CallringError, MemoryError)
"""The types of errors that a fault of the system may raise."""


class Steps:
    """Runs one step after the other and records how each ended."""

    def __init__(self, control: ControlFile) -> None:
        self.control = control
        self.errors: list[str] = []
        self.wrong: list[str] = []

    def attempt(self, name: str, function: Callable[..., Any], *args: Any) -> Any:
        """The value of the function; None if an argument is missing after an earlier error, or if the step failed."""
        if any(argument is None for argument in args):
            return None
        try:
            return function(*args)
        except OURS as error:
            self.errors.append(f"{name}: {type(error).__name__}: {error}")
        except BaseException:
            self.wrong.append(f"{name}: not a Callring error: {traceback.format_exc()[-3000:]}")
        return None

    def same(self, name: str, function: Callable[..., Any], *args: Any, expected: Any) -> None:
        """Checks that the function returns ``expected`` or ends with an error."""
        before = len(self.errors) + len(self.wrong)
        value = self.attempt(name, function, *args)
        skipped = any(argument is None for argument in args)
        if not skipped and before == len(self.errors) + len(self.wrong) and value != expected:
            self.wrong.append(f"{name}: {value!r:.300} instead of {expected!r:.300}")
