"""The main script in a child: imported only when something there needs it, as multiprocessing's spawn does at once.

What the main script defines goes to children by value where it can, so that a script needs no guard. Some of it has
only a name: what ``functools.lru_cache`` makes, a function that uses a lock of its module. In a child the module
``__main__``, also known as ``__mp_main__``, therefore has a name for each of them: one that came by value stands for
itself, so that it can be pickled again; any other name that occurs in the script's source imports the script, once,
with ``__name__ == "__mp_main__"``.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import threading
from collections import deque
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import cloudpickle

Origin = tuple[str, str]
"""``("module", its name)`` or ``("path", its file)``."""

NAMES = ("__main__", "__mp_main__")

_MOST_REMEMBERED = 64


def origin() -> Origin | None:
    """Where the main script of this program is; None for what was typed in."""
    main = sys.modules["__main__"]
    if isinstance(main, MainScript):
        return main._origin
    name = getattr(getattr(main, "__spec__", None), "name", None)
    if name is not None and name != "__main__":
        return "module", name
    path = getattr(main, "__file__", None)
    return None if path is None else ("path", os.path.abspath(path))  # noqa: PTH100 - links stay as they are


def install(origin: Origin | None) -> None:
    """In a child: makes the main script of its parent the module ``__main__``."""
    main = MainScript(None if origin is None else (origin[0], origin[1]))
    sys.modules.update(dict.fromkeys(NAMES, main))


def remember(value: object) -> None:
    """Gives what came by value its name in ``__main__``, and what it refers to theirs."""
    main = sys.modules["__main__"]
    if isinstance(main, MainScript) and isinstance(value, FunctionType) and value.__module__ in NAMES:
        main._remember(value)


def refuse_while_imported(operation: str) -> None:
    """Raises RuntimeError if the main script, which is being imported in a child, does what only the program may do."""
    main = sys.modules["__main__"]
    if isinstance(main, MainScript) and main._wanted is not None:
        raise RuntimeError(f"{operation}: {main._advice()}")


def is_named(value: Any) -> bool:
    """Whether the main script knows a function or class of its by its name."""
    found: Any = sys.modules["__main__"]
    if getattr(value, "__module__", None) not in NAMES or isinstance(found, MainScript):
        return False
    for part in value.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is value


class MainScript(ModuleType):
    """The module ``__main__`` of a child."""

    _origin: Origin | None
    _wanted: str | None

    def __init__(self, origin: Origin | None) -> None:
        super().__init__("__main__")
        self.__dict__.update(
            _origin=origin,
            _wanted=None,  # while it is imported: the name that needed it
            _outcome=None,  # of importing it: True, or the error
            _functions=deque(maxlen=_MOST_REMEMBERED),  # that came by value
            _lock=threading.RLock(),
            names_only=False,  # nothing imports it now
        )

    def __getattr__(self, name: str) -> Any:
        """What came by value, or what the script defines once it is imported."""
        if not name.startswith("_"):
            for found in self._by_value(name):
                return found
            if not self.names_only and re.search(rf"\b{re.escape(name)}\b", self._source()):
                self._import(name)
                if name in vars(self):
                    return vars(self)[name]
        raise AttributeError(f"module '__main__' has no attribute {name!r}")

    def _remember(self, function: FunctionType) -> None:
        functions: deque[FunctionType] = self.__dict__["_functions"]
        if not functions or functions[-1] is not function:
            functions.append(function)

    def _by_value(self, name: str) -> Any:
        for function in reversed(tuple(self.__dict__["_functions"])):
            if function.__qualname__ == name:
                yield function
            if name in function.__globals__:
                yield function.__globals__[name]
        # cloudpickle makes a class once in a process, however often it comes.
        for kind in list(getattr(cloudpickle.cloudpickle, "_DYNAMIC_CLASS_TRACKER_BY_ID", {}).values()):
            if kind.__module__ in NAMES and kind.__qualname__ == name:
                yield kind

    def _source(self) -> str:
        if self._origin is None:
            return ""
        kind, where = self._origin
        try:
            if kind == "path":
                return Path(where).read_text()
            spec = importlib.util.find_spec(where)
            return (spec.loader.get_source(where) or "") if spec and spec.loader else ""  # type: ignore[attr-defined]
        except (OSError, ValueError, ImportError):
            return ""

    def _import(self, name: str) -> None:
        with self.__dict__["_lock"]:
            outcome = self.__dict__["_outcome"]
            if self._wanted is not None or outcome is True:
                return
            if outcome is None:
                self.__dict__["_wanted"] = name
                try:
                    self._execute()
                    outcome = True
                except BaseException as error:
                    outcome = RuntimeError(f"{self._advice()} ({type(error).__name__}: {error})")
                    outcome.__cause__ = error
                self.__dict__.update(_outcome=outcome, _wanted=None)
            if outcome is not True:
                raise outcome.with_traceback(None)

    def _execute(self) -> None:
        assert self._origin is not None
        kind, where = self._origin
        self.__dict__.update(__name__="__mp_main__", __builtins__=__builtins__)
        if kind == "path":
            code = compile(Path(where).read_bytes(), where, "exec")
            self.__dict__.update(__file__=where)
        else:
            spec = importlib.util.find_spec(where)
            assert spec is not None
            code = spec.loader.get_code(where)  # type: ignore[union-attr]
            self.__dict__.update(__file__=spec.origin, __spec__=spec, __package__=spec.parent)
        exec(code, self.__dict__)

    def _advice(self) -> str:
        return (
            f"the main script is imported in a worker, because {self._wanted!r} of it can only be had by its name; put "
            'what only the program itself may do, such as starting Workers, under `if __name__ == "__main__":`'
        )
