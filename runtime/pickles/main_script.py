"""The main script in a child: imported on demand, unlike with multiprocessing's spawn, which imports it at once.

Objects of the main script travel to children by value if that is possible, so that a script need not check
``__name__``. Some can only be pickled by name: the result of ``functools.lru_cache``, or a function that uses a lock of
its module. A child's module ``__main__``, which is also its ``__mp_main__``, therefore resolves names. The name of an
object that came by value gives that object, which can thus be pickled again. Any other name that occurs in the script's
source imports the script, once, with ``__name__ == "__mp_main__"``.
"""

from __future__ import annotations

import builtins
import importlib.util
import os
import re
import sys
import threading
from collections import deque
from functools import cached_property
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Origin = tuple[str, str]
"""``("module", its name)`` or ``("path", its file)``."""

_SCRIPT = "__callring_script__"
NAMES = ("__main__", "__mp_main__")

_MOST_REMEMBERED = 64


class _Results(threading.local):
    are_pickled = False


results = _Results()
"""While a result is pickled on this thread, ``__main__`` has only the names that an import of the script defined. Other
objects are pickled by value, under their names in the parent.
"""


def origin() -> Origin | None:
    """Where the main script of this program is; None for an interactive session."""
    main = sys.modules["__main__"]
    if (script := _script_of_parent()) is not None:
        return script.origin
    name = getattr(getattr(main, "__spec__", None), "name", None)
    if name is not None and name != "__main__":
        return "module", name
    path = getattr(main, "__file__", None)
    return None if path is None else ("path", os.path.abspath(path))  # noqa: PTH100 - keeps symbolic links


def install(origin: Origin | None) -> None:
    """In a child: makes the main script of its parent the module ``__main__``."""
    main = MainScript("__main__")
    vars(main)[_SCRIPT] = _Script(None if origin is None else (origin[0], origin[1]))
    sys.modules.update(dict.fromkeys(NAMES, main))


def remember(value: object) -> None:
    """Makes a function that came by value, and the globals that it uses, available by name in ``__main__``."""
    if isinstance(value, FunctionType) and value.__module__ in NAMES and (script := _script_of_parent()) is not None:
        script.remember(value)


def refuse_while_imported(operation: str) -> None:
    """Raises RuntimeError while a child imports the main script: only the program may call ``operation``."""
    script = _script_of_parent()
    if script is not None and script.wanted is not None:
        raise RuntimeError(f"{operation}: not while a worker imports the main script")


def is_named(value: Any) -> bool:
    """Whether a function or class of this program's main script is found there under its qualified name."""
    found: Any = sys.modules["__main__"]
    if getattr(value, "__module__", None) not in NAMES or _script_of_parent() is not None:
        return False
    for part in value.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is value


def _script_of_parent() -> _Script | None:
    """The script behind a child's ``__main__``; None in the program itself."""
    return vars(sys.modules["__main__"]).get(_SCRIPT)


class MainScript(ModuleType):
    """The module ``__main__`` of a child."""

    def __getattr__(self, name: str) -> Any:
        """The object of this name that came by value, or that the script defines once it is imported."""
        script: _Script = vars(self)[_SCRIPT]
        if not name.startswith("__") and not results.are_pickled:
            for found in script.by_value(name):
                return found
            if re.search(rf"\b{re.escape(name)}\b", script.source):
                script.import_once(vars(self), name)
                if name in vars(self):
                    return vars(self)[name]
        raise AttributeError(f"module '__main__' has no attribute {name!r}")


class _Script:
    def __init__(self, origin: Origin | None) -> None:
        self.origin = origin
        self.wanted: str | None = None
        """The name because of which the script is being imported; None at any other time."""
        self._outcome: RuntimeError | bool | None = None  # True after a successful import, or the error of a failed one
        self._functions: deque[FunctionType] = deque(maxlen=_MOST_REMEMBERED)
        self._lock = threading.RLock()

    def remember(self, function: FunctionType) -> None:
        """Keeps a function that came by value, as one of the latest."""
        if not self._functions or self._functions[-1] is not function:
            self._functions.append(function)

    def by_value(self, name: str) -> Iterator[Any]:
        """The objects of this name that came by value, the latest first."""
        from cloudpickle import cloudpickle  # imported here to keep the parent's start fast; children have it

        for function in reversed(tuple(self._functions)):
            if function.__qualname__ == name:
                yield function
            if name in function.__globals__:
                yield function.__globals__[name]
        # cloudpickle makes a class once in a process, even if its pickle arrives again.
        for kind in list(getattr(cloudpickle, "_DYNAMIC_CLASS_TRACKER_BY_ID", {}).values()):
            if kind.__module__ in NAMES and kind.__qualname__ == name:
                yield kind

    @cached_property
    def source(self) -> str:
        """The script's text; empty if it cannot be read."""
        if self.origin is None:
            return ""
        from pathlib import Path  # imported here to keep the start fast

        kind, where = self.origin
        try:
            if kind == "path":
                return Path(where).read_text()
            spec = importlib.util.find_spec(where)
            return (spec.loader.get_source(where) or "") if spec and spec.loader else ""  # type: ignore[attr-defined]
        except (OSError, ValueError, ImportError):
            return ""

    def import_once(self, namespace: dict[str, Any], name: str) -> None:
        """Executes the script in ``namespace`` because of ``name``. Raises RuntimeError if that fails or has failed."""
        with self._lock:
            if self.wanted is not None:
                return  # the script itself uses a name that it has not defined yet
            if self._outcome is None:
                self.wanted = name
                try:
                    self._execute(namespace)
                    self._outcome = True
                except BaseException as error:
                    self._outcome = RuntimeError(f"{self.advice()} ({type(error).__name__}: {error})")
                    self._outcome.__cause__ = error
                finally:
                    self.wanted = None
            if isinstance(self._outcome, RuntimeError):
                raise self._outcome.with_traceback(None)

    def _execute(self, namespace: dict[str, Any]) -> None:
        from pathlib import Path

        assert self.origin is not None
        kind, where = self.origin
        namespace.update(__name__="__mp_main__", __builtins__=builtins)
        if kind == "path":
            code = compile(Path(where).read_bytes(), where, "exec")
            namespace.update(__file__=where)
        else:
            spec = importlib.util.find_spec(where)
            assert spec is not None
            code = spec.loader.get_code(where)  # type: ignore[union-attr]
            namespace.update(__file__=spec.origin, __spec__=spec, __package__=spec.parent)
        exec(code, namespace)

    def advice(self) -> str:
        """Why the script is imported, and which code must not run then."""
        return (
            f"the main script is imported in a worker, because its object {self.wanted!r} can only be found by name; "
            'put code that only the program may run, such as starting Workers, under `if __name__ == "__main__":`'
        )
