"""The expected result of a declared workload: files, or a golden function of the inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.config.keys import checked, filled
from pipeline.config.targets import Lookup, NotImported
from pipeline.config.workload_schema import ToleranceConfig, VerifyConfig
from pipeline.workloads.base import Verification
from pipeline.workloads.compare_arrays import DEFAULT_TOLERANCES, EXACT, Tolerance, compare
from pipeline.workloads.declared.mapping import named
from pipeline.workloads.declared.tensors import DeclaredTensor, declare_tensors
from runtime.errors import ConfigurationError

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Expected:
    """The verification of the result."""

    key: str
    golden: Callable[..., Mapping[str, npt.NDArray[Any]]] | None
    """Called with the tensors' initial contents by name and the sizes; returns the expected contents by name."""
    files: Mapping[str, DeclaredTensor]
    relative: float | None
    absolute: float | None

    def verify(
        self,
        tensors: Mapping[str, DeclaredTensor],
        sizes: Mapping[str, float],
        actual: Mapping[str, npt.NDArray[Any]],
    ) -> Verification:
        """Compares every tensor that has expected contents.

        Raises:
            ConfigurationError: the golden function returned values that cannot be compared.
        """
        expected = {name: file.content() for name, file in self.files.items()}
        if self.golden is not None:
            expected |= self._golden(self.golden, tensors, sizes)
        figures: dict[str, int | float | str] = {}
        said = []
        passed = True
        for name, want in expected.items():
            if np.shape(want) != actual[name].shape:
                raise ConfigurationError(
                    f"{self.key}.golden: returned shape {list(np.shape(want))} for {name}, whose shape is "
                    f"{list(actual[name].shape)}"
                )
            outcome = compare(actual[name], np.asarray(want), self._tolerance(actual[name].dtype))
            passed = passed and outcome.passed
            figures[f"{name}.max_abs_error"] = outcome.max_abs_error
            said.append(f"{name}: {outcome.message}")
        return Verification(passed, figures, "; ".join(said))

    def _golden(
        self,
        golden: Callable[..., Mapping[str, npt.NDArray[Any]]],
        tensors: Mapping[str, DeclaredTensor],
        sizes: Mapping[str, float],
    ) -> dict[str, npt.NDArray[Any]]:
        given = golden({name: tensor.content() for name, tensor in tensors.items()}, dict(sizes))
        if not isinstance(given, Mapping) or not given or not set(given) <= set(tensors):
            known = ", ".join(tensors)
            raise ConfigurationError(f"{self.key}.golden: must return a dict of arrays by tensor ({known})")
        return dict(given)

    def _tolerance(self, dtype: np.dtype[Any]) -> Tolerance:
        default = DEFAULT_TOLERANCES.get(dtype, EXACT)
        return Tolerance(
            default.relative if self.relative is None else self.relative,
            default.absolute if self.absolute is None else self.absolute,
        )


def declare_expected(
    config: object,
    key: str,
    tensors: Mapping[str, DeclaredTensor],
    lookup: Lookup,
) -> Expected:
    """The verification that ``verify`` declares.

    Args:
        config: ``golden``, a target ``module:function``; ``expected``, files by tensor; ``tolerance``, relative and
            absolute (default: by dtype, see pipeline.workloads.compare_arrays).
        key: key of the config, for messages.
        tensors: the tensors by name.
        lookup: the places of files and targets.

    Raises:
        ConfigurationError: names the key, the value and what is allowed.
    """
    given = checked(VerifyConfig, config, key)
    tolerance: ToleranceConfig = filled(ToleranceConfig, given.get("tolerance") or {}, f"{key}.tolerance")
    files = _files(given.get("expected", {}), f"{key}.expected", tensors, lookup.folders)
    golden = None
    if "golden" in given:
        golden = lookup.target(str(given["golden"]), f"{key}.golden")
        if not callable(golden) and not isinstance(golden, NotImported):
            raise ConfigurationError(f"{key}.golden={given['golden']!r}: not callable")
    if golden is None and not files:
        raise ConfigurationError(f"{key}: give golden (module:function) or expected (files by tensor)")
    return Expected(key, golden, files, tolerance.relative, tolerance.absolute)


def _files(
    config: object, key: str, tensors: Mapping[str, DeclaredTensor], folders: Sequence[Path]
) -> dict[str, DeclaredTensor]:
    given = named(config, key, "files .npy or .npz")
    for name in given:
        if name not in tensors:
            known = ", ".join(tensors) or "none"
            raise ConfigurationError(f"{key}.{name}: no such tensor; declared are {known}")
    as_tensors = {
        name: {"fill": file, "shape": list(tensors[name].shape)} if isinstance(file, str) else file
        for name, file in given.items()
    }
    files = declare_tensors(as_tensors, key, {}, folders)
    for name, file in files.items():
        if file.file is None:
            raise ConfigurationError(f"{key}.{name}={given[name]!r}: a file .npy or .npz")
    return files
