"""Writes runtime/_core.pyi from the built extension: ``python native/bindings/stubs.py``."""

import subprocess
import sys
import tempfile
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent.parent / "runtime" / "_core.pyi"

# Types that a docstring cannot express, such as the element types of containers, for strict type checking.
REFINEMENTS = {
    "CODES: dict": "CODES: dict[str, int]",
    "OPERATIONS: dict": "OPERATIONS: dict[str, int]",
    "-> dict:": "-> dict[str, typing.Any]:",
    "-> list:": "-> list[typing.Any]:",
    "-> tuple:": "-> tuple[typing.Any, ...]:",
    ": list,": ": list[typing.Any],",
    ": list)": ": list[typing.Any])",
    ": dict,": ": dict[str, typing.Any],",
    "-> collections.abc.Iterator:": "-> collections.abc.Iterator[numpy.typing.NDArray[typing.Any]]:",
    "numpy.ndarray": "numpy.typing.NDArray[typing.Any]",
    "import numpy\n": "import numpy.typing\n",
    "*args)": "*args: typing.Any)",
    "**kwargs)": "**kwargs: typing.Any)",
    "typing.SupportsInt | typing.SupportsIndex": "int",
    # Values that may be None.
    "    child_end = None\n": "    child_end: ChildEnd | None\n",
    "def child_end(self) -> ChildEnd:": "def child_end(self) -> ChildEnd | None:",
    "int, str, ChildEnd]": "int, str, ChildEnd | None]",
    # Types that are written against CPython's own interface.
    "import typing\n": "import runtime\nimport typing\nfrom runtime.tensors.scalar import Scalar\n",
    "def __new__(type, *args, **kwargs: typing.Any):": (
        "def __new__(cls, *args: typing.Any, **kwargs: typing.Any) -> typing.Self:"
    ),
    "(self, handle, args = None, config = None, *, ": (
        "(self, handle: runtime.CallableHandle, args: runtime.TaskArgs | None = None, "
        "config: runtime.CallConfig | None = None, *, "
    ),
    "worker, after = tuple()):": "worker: int, after: collections.abc.Iterable[typing.Any] = ()) -> typing.Any:",
    "(self, handle, args_list, config = None, *, workers = None, after = tuple()):": (
        "(self, handle: runtime.CallableHandle, args_list: collections.abc.Sequence[runtime.TaskArgs | None], "
        "config: runtime.CallConfig | None = None, *, workers: int | collections.abc.Iterable[int] | None = None, "
        "after: collections.abc.Iterable[typing.Any] = ()) -> list[typing.Any]:"
    ),
    "*, after = tuple()):": "*, after: collections.abc.Iterable[typing.Any] = ()) -> typing.Any:",
    "def result(self, timeout = None):": "def result(self, timeout: float | None = None) -> typing.Any:",
    '    Ties a handle to the registration that made it.\n    """\n': (
        '    Ties a handle to the registration that made it.\n    """\n'
        "    owner: typing.Any\n    native: CallableRef\n    hashid: str\n    kind: runtime.CallableKind\n"
        "    target_namespace: runtime.TargetNamespace\n    label: str\n    live: bool\n"
    ),
    '    The native half of an Orchestrator.\n    """\n': (
        '    The native half of an Orchestrator.\n    """\n    def __init__(self, *args: typing.Any) -> None: ...\n'
    ),
    '    One accepted task: (session, engine, task).\n    """\n': (
        '    One accepted task: (session, engine, task).\n    """\n    _native: Task\n    _session: typing.Any\n'
    ),
    '    One recorded task: (graph, node).\n    """\n': (
        '    One recorded task: (graph, node).\n    """\n    _graph: CapturedGraph\n    node: int\n'
    ),
    '    The native half of TaskArgs.\n    """\n': (
        '    The native half of TaskArgs.\n    """\n    _native: TaskArgs\n'
        "    _arrays: list[tuple[int, typing.Any]] | None\n    _parameters: tuple[tuple[int, Scalar], ...] | None\n"
        "    @property\n    def scalar_count(self) -> int:\n"
        '        """\n        Number of scalars.\n        """\n'
        "    def __init__(self, *tensors: tuple[typing.Any, runtime.Tag], "
        "scalars: collections.abc.Iterable[float | Scalar] = ()) -> None: ...\n"
    ),
    "def __len__(self):": "def __len__(self) -> int:",
    "def add_scalar(self, scalar):": "def add_scalar(self, scalar: float | Scalar) -> None:",
    "def add_tensor(self, tensor, tag):": (
        "def add_tensor(self, tensor: Tensor | numpy.typing.NDArray[typing.Any], tag: runtime.Tag) -> None:"
    ),
}


def generate() -> str:
    """The stub of the extension that this interpreter imports."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pybind11_stubgen", "runtime._core", "-o", folder, "--exit-code"]
        subprocess.run(command, check=True, capture_output=True)
        text = (Path(folder) / "runtime" / "_core.pyi").read_text()
    lines = []
    for line in text.splitlines():
        # Values of this very build, such as digests, are not part of the interface.
        name, separator, _ = line.partition(": str = ")
        lines.append(f"{name}: str" if separator and not line.startswith(" ") else line.partition("  # value")[0])
    text = "\n".join(lines) + "\n"
    for found, refined in REFINEMENTS.items():
        text = text.replace(found, refined)
    return "# Generated by native/bindings/stubs.py from the extension; do not edit.\n" + text


if __name__ == "__main__":
    TARGET.write_text(generate())
