"""A far side in the process that calls it."""

from __future__ import annotations

import importlib
import pickle
import sys
from typing import TYPE_CHECKING, Any

from runtime.hosting.door import HostLost

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
        self.refusal = ""
        """Why the object could not be made; empty: it is there."""
        try:
            self._far = getattr(importlib.import_module(module), name)()
        except Exception as error:  # an installation that is not whole
            self.refusal = f"callring does not start for {sys.executable} there: {type(error).__name__}: {error}"

    def call(self, method: str, head: bytes, contents: Sequence[Any], *, control: bool) -> list[Any]:
        """Calls a method; see FarProcess.call. Raises HostLost if the object could not be made."""
        del control
        if self.refusal:
            raise HostLost(self.refusal)
        value = getattr(self._far, method)(*pickle.loads(head), *contents)
        return list(value) if method == "run" else [value]

    def kill(self) -> None:
        """Nothing: the process has other things to do."""
