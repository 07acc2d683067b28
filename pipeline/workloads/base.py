"""The program of a workload: tensors, an orchestration over chips and sub-workers, and a check of the result.

A program module holds one subclass of Workload and one frozen dataclass ``Settings``: its fields are exactly the keys
that ``conf/workload/<name>.yaml`` may set beside ``name``, ``program``, ``callables``, ``warm_up``, ``repeat`` and
``capture``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from pipeline.config.keys import filled
from runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime import CallableHandle, Orchestrator, Worker


def verification_word(passed: bool | None) -> str:
    """The word for an outcome; None: nothing was compared."""
    return "unverified" if passed is None else "verified" if passed else "differs"


SettingsT = TypeVar("SettingsT")
FOR_SUB_WORKERS = "a workload that needs none: workload=softmax"
"""The advice of messages on topologies without chips."""
FOR_NODES = "a workload for nodes: workload=vector_add_on_nodes"
"""The advice of messages on topologies of nodes."""


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether a run's result is right, and the figures of the check."""

    passed: bool | None
    """None: nothing was compared."""
    figures: dict[str, int | float | str] = field(default_factory=dict)
    message: str = ""
    """The positions, the number and the largest of the differences; without differences, what was compared."""

    @property
    def word(self) -> str:
        """``"verified"``, ``"differs"`` or ``"unverified"``."""
        return verification_word(self.passed)


class Workload(ABC, Generic[SettingsT]):
    """One program on one topology: made, prepared once, orchestrated any number of times, then verified.

    Args:
        settings: values for the fields of ``settings_type``; fields left out take their defaults.
        chips: ids of the chips to use; none for programs without chip callables on a topology without chips.
        sub_workers: number of Python sub-workers of the Worker.

    Raises:
        ConfigurationError: an unknown field, a wrong type or a value out of range; the message names the field.
    """

    settings_type: ClassVar[type[Any]]
    """The class of the program's settings."""
    chip_callables: ClassVar[tuple[str, ...]]
    """The names of the handles of chip callables in ``orchestrate``."""
    python_callables: ClassVar[tuple[str, ...]] = ()
    """The names of the handles of Python callables, which are used only if there are sub-workers."""
    not_imported: str = ""
    """The user's target that submits the tasks, if a plan does not import it."""

    def __init__(self, settings: Mapping[str, Any], chips: tuple[int, ...], sub_workers: int) -> None:
        self.settings: SettingsT = parse_settings(self.settings_type, settings)
        if not chips and self.chip_callables:
            raise ConfigurationError(
                f"topology.chips=0: {type(self).__name__} needs at least one, for {', '.join(self.chip_callables)}; "
                f"choose a topology with chips, for instance +topology=chip1, or {FOR_SUB_WORKERS}"
            )
        self.chips = chips
        self.sub_workers = sub_workers

    @abstractmethod
    def prepare(self, worker: Worker) -> None:
        """Makes the tensors in the worker's shared memory and fills the inputs."""

    @abstractmethod
    def orchestrate(self, o: Orchestrator, handles: Mapping[str, CallableHandle]) -> None:
        """Submits the tasks of one run. Calling it again repeats the same work on the same tensors."""

    def reset(self) -> None:
        """Restores the initial contents of tensors that a run reads and changes.

        Called before every run except the first after ``prepare``, including warm-ups; also before the first run if
        runs are launches of a captured graph.
        """

    @abstractmethod
    def verify(self) -> Verification:
        """Compares the result of the last run with the expected result; called after a run without an error."""


class NotImportedProgram(Workload[None]):
    """Stands in a plan for a program of the user, whose tasks are not known.

    Args:
        target: the target of the program.
        chips, sub_workers: as in Workload.
    """

    chip_callables = ()

    def __init__(self, target: str, chips: tuple[int, ...], sub_workers: int) -> None:
        self.not_imported, self.chips, self.sub_workers = target, chips, sub_workers

    def prepare(self, worker: Worker) -> None:
        """Does nothing: the tensors are not known."""

    def orchestrate(self, o: Orchestrator, handles: Mapping[str, CallableHandle]) -> None:
        """Does nothing: the tasks are not known."""

    def verify(self) -> Verification:
        """Compares nothing: no task runs."""
        return Verification(None)


def parse_settings(settings_type: type[Any], values: Mapping[str, Any]) -> Any:
    """Makes a program's Settings from plain values, strictly.

    Args:
        settings_type: a dataclass with fields of type bool, int, float or str.
        values: values by field name; a float field also accepts an int, and no other type is converted.

    Raises:
        ConfigurationError: an unknown field (with the nearest known one), a wrong type, a value that Settings refuses.
    """
    return filled(settings_type, values, "workload")


def require(condition: bool, name: str, value: object, allowed: str) -> None:
    """Refuses a setting's value. Raises ConfigurationError, which names the key, the value and what is allowed."""
    if not condition:
        raise ConfigurationError(f"workload.{name}={value!r}: {allowed}")
