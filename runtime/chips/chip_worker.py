"""ChipWorker: a chip in this process, for a debugger or a sanitizer. It has no child, shared memory or hashids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime import _core, pickled_names
from runtime.chips.platforms import require_platform
from runtime.errors import ChipError, ConfigurationError
from runtime.failure import chip_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from runtime.chips.chip_callable import ChipCallable
    from runtime.options import CallConfig


class ChipWorker:
    """Executes chip callables on plain NumPy arrays, on the calling thread.

    Its slots are private integers of this object; every other API refuses them.

    Raises:
        ConfigurationError, PlatformUnavailable: as for Worker.
    """

    def __init__(self, platform: str = "a2a3sim", cores: int | None = None) -> None:
        require_platform(platform)
        self._chip = _core.Chip(platform, cores or 0)
        self._slots: dict[int, tuple[_core.PreparedCallable, str]] = {}
        self._next = 0

    @property
    def core_count(self) -> int:
        """Cores of the chip."""
        return self._chip.core_count

    def prepare(self, target: ChipCallable) -> int:
        """Loads a callable; returns its slot. Raises ChipError if it does not load."""
        try:
            prepared = self._chip.prepare(target.blob)
        except _core.NativeError as error:
            raise ChipError(f"callable {target.name}: {error.args[1]}", operation="prepare") from None
        slot, self._next = self._next, self._next + 1
        self._slots[slot] = (prepared, target.name)
        return slot

    def run(
        self,
        slot: int,
        arrays: Sequence[npt.NDArray[Any]],
        scalars: Iterable[float] = (),
        config: CallConfig | None = None,
    ) -> None:
        """Executes the callable in ``slot``. Raises ChipError if it fails, ConfigurationError for an unknown slot."""
        prepared, name = self._at(slot)
        bits = [_core.TaskArgs.scalar_bits(scalar) for scalar in scalars]
        failure = self._chip.execute(prepared, list(arrays), bits, config.block_count if config else 0)
        if failure is not None:
            code, kernel, block, message = failure
            raise chip_error(name, code, kernel, block, message)

    def unregister(self, slot: int) -> None:
        """Unloads the callable in ``slot``. Raises ConfigurationError for an unknown slot."""
        self._at(slot)
        del self._slots[slot]

    def _at(self, slot: int) -> tuple[_core.PreparedCallable, str]:
        try:
            return self._slots[slot]
        except (KeyError, TypeError):
            raise ConfigurationError(f"slot={slot!r}: nothing is prepared there") from None


pickled_names.keep(__name__)
