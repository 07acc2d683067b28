"""A far side in the process that calls it."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from runtime.hosting.door import HostLost
from runtime.hosting.far_process import values_of

if TYPE_CHECKING:
    from collections.abc import Sequence


class FarHere:
    """A far side in this process, with the interface of FarProcess.

    Args:
        far_side: ``"module:class"`` of the object.
    """

    has_ended = False

    def __init__(self, far_side: str) -> None:
        module, _, name = far_side.partition(":")
        self._refusal = ""
        try:
            self._far = getattr(importlib.import_module(module), name)()
        except Exception as error:  # an installation that is not whole
            self._refusal = f"callring does not start for {sys.executable} there: {type(error).__name__}: {error}"

    def call(self, method: str, head: bytes, contents: Sequence[Any], *, control: bool) -> list[Any]:
        """Calls a method; see FarProcess.call. Raises HostLost if the object could not be made."""
        del control
        if self._refusal:
            raise HostLost(self._refusal)
        return values_of(self._far, method, head, contents)

    def kill(self) -> None:
        """Nothing: the process has other things to do."""
