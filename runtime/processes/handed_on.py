"""What a Python child receives from its parent's interpreter, so that ``multiprocessing`` works in it.

``multiprocessing`` passes two things to its own children. The authentication key lets them use proxies of managers. The
resource tracker, one process for the parent and all of its children, unlinks named shared memory and semaphores when
the last of these processes has ended. A child with its own tracker would unlink, at its end, memory that it had only
attached. Children of a Worker receive key and tracker if the parent imported the module before it made the Worker.
Otherwise no object of the parent uses a key, and children track nothing.

Both travel over the control socket, which no other process can read. They take effect when a child imports the module:
they cost nothing in a child that does not use it.
"""

from __future__ import annotations

import importlib.machinery
import os
import sys
from typing import TYPE_CHECKING, Any

from runtime.pickles import main_script

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

_PROCESS = "multiprocessing.process"
_TRACKER = "multiprocessing.resource_tracker"

_Handed = tuple[str | None, int | None]

_handed: list[_Handed] = []
"""The key and the descriptor that this process received; empty if it is no child of a Worker."""


def setup() -> tuple[str, list[int]]:
    """The text that a fork server receives at its start, and the descriptors sent with it, which this process keeps."""
    # As multiprocessing does: a child that imported the main script refers to its objects by this name.
    sys.modules.setdefault("__mp_main__", sys.modules["__main__"])
    key, tracker = _handed[0] if _handed else _own()
    import json  # imported here to keep the start of a Worker without Python children fast

    told = {"main_script": main_script.origin(), "authentication_key": key}
    return json.dumps(told), [] if tracker is None else [tracker]


def _own() -> _Handed:
    process, resource_tracker = sys.modules.get(_PROCESS), sys.modules.get(_TRACKER)
    key = bytes(process.current_process().authkey).hex() if process else None
    return key, resource_tracker.getfd() if resource_tracker else None  # getfd() starts the tracker


def take(told: str, descriptors: list[int]) -> None:
    """Called in the fork server: keeps the result of setup() for all children that it forks."""
    import json

    given = json.loads(told)
    key: str | None = given["authentication_key"]
    tracker = descriptors[0] if descriptors else None
    _handed[:] = [(key, tracker)]
    main_script.install(given["main_script"])

    def give_key(process: Any) -> None:
        if key is not None:
            process.current_process().authkey = bytes.fromhex(key)

    def give_tracker(resource_tracker: Any) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY) if tracker is None else tracker
        resource_tracker._resource_tracker._fd = nowhere  # as in multiprocessing's own children

    sys.meta_path.insert(0, _AfterImport({_PROCESS: give_key, _TRACKER: give_tracker}))


def give_up() -> None:
    """Called in the fork server when its Worker has ended: undoes take(), for the next Worker."""
    for _, tracker in _handed:
        if tracker is not None:
            os.close(tracker)
    _handed.clear()
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _AfterImport)]


def finish() -> None:
    """Called before a child ends: runs multiprocessing's finalizers, which flush queues."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util._run_finalizers()


class _AfterImport:
    """A finder that calls a function with a module once the module has been imported.

    It does not derive from a class of importlib.abc: importing that takes longer than the rest of this package.
    """

    def __init__(self, actions: dict[str, Callable[[Any], None]]) -> None:
        self._actions = actions

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of a module that has an action; None for others."""
        action = self._actions.get(name)
        spec = None if action is None else importlib.machinery.PathFinder.find_spec(name, path, target)
        if action is None or spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_act(module: ModuleType) -> None:
            execute(module)
            action(module)

        spec.loader.exec_module = execute_and_act  # type: ignore[method-assign]
        return spec
