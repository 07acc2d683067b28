"""The limits of config files: they must not import, load or run more than they declare.

A config of another author declares sources and names Python targets; docs/explanation/trust.md explains this. It must
not run other code through Hydra's instantiation, through factories of logging, through the environment of a launcher's
processes, or by allowing itself more packages. Only the command line, which the user wrote, may set these. A composed
configuration does not record the source of a value, so the check depends on the value itself.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from runtime.errors import ConfigurationError

PACKAGES_VARIABLE = "CALLRING_PYTHON_PACKAGES"
"""The environment variable with further packages of Python targets, separated by commas."""
OURS = "pipeline"
"""The package of the targets that come with Callring."""
_PLUGINS = (
    *("hydra_plugins.", "hydra._internal.core_plugins.", f"{OURS}.sweep.plugins."),
    *("optuna.samplers.", "optuna.pruners."),
)
_PLUGIN_SECTIONS = ("hydra.launcher", "hydra.sweeper")
_LOGGING = ("hydra.job_logging", "hydra.hydra_logging")
_LOGGING_CLASSES = (
    *("logging.Formatter", "logging.NullHandler", "logging.StreamHandler", "logging.FileHandler"),
    *("logging.handlers.RotatingFileHandler", "logging.handlers.TimedRotatingFileHandler"),
    "colorlog.ColoredFormatter",
)
_HYDRAS_FILE = "${hydra.runtime.output_dir}/${hydra.job.name}.log"
_STREAMS = ("ext://sys.stdout", "ext://sys.stderr")
"""The log file and the streams in Hydra's own logging configs, which --hydra-help shows."""
_LAUNCHERS_COMMANDS = ("setup", "python", "srun_args", "additional_parameters")
"""Keys of hydra.launcher that decide what its processes run."""


def allowed_packages(configured: Sequence[str]) -> list[str]:
    """Allowed packages of Python targets: those of the configuration and of the environment."""
    added = os.environ.get(PACKAGES_VARIABLE, "").split(",")
    return [*configured, *(name.strip() for name in added if name.strip())]


def require_trusted(config: Mapping[str, Any], arguments: Sequence[str], primary: Path | None) -> None:
    """Refuses a composed configuration with values that files must not set.

    Args:
        config: with unresolved interpolations, ``hydra`` included.
        arguments: the command line.
        primary: the file of the primary config, if it is the user's own.

    Raises:
        ConfigurationError: names the key, the value and where it may be set.
    """
    given = dict(argument.lstrip("+").split("=", 1) for argument in arguments if "=" in argument)

    def on_command_line(key: str) -> bool:
        whole = [name for name, value in given.items() if value.lstrip("'\"").startswith(("{", "["))]
        return key in given or any(key.startswith((f"{name}.", f"{name}[")) for name in whole)

    for key, value in _refused(config):
        if not on_command_line(key):
            raise ConfigurationError(f"{key}={value!r}: a config file must not set this; give it on the command line")
    _require_packages(config.get("python_packages"), given, primary)


def _refused(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Keys and values that only the command line may set."""
    for key, value in _leaves(config, ""):
        section, _, name = key.rpartition(".")
        if name == "_target_":
            plugin = section.startswith(_PLUGIN_SECTIONS) and str(value).startswith(_PLUGINS)
            if not plugin:
                yield key, value
        elif key.startswith(_LOGGING):
            external = "ext://" in str(value) and value not in _STREAMS
            elsewhere = "${" in str(value) and value != _HYDRAS_FILE
            if external or elsewhere or (name in ("class", "()") and value not in _LOGGING_CLASSES):
                yield key, value
        elif key.startswith("hydra.job.env_set."):
            yield key, value
        elif section.startswith("hydra.launcher") and value is not None:
            inside = key.removeprefix("hydra.launcher.").partition(".")[0]
            if inside.partition("[")[0] in _LAUNCHERS_COMMANDS:
                yield key, value


def _leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _leaves(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from _leaves(item, f"{key}[{i}]")
    else:
        yield key, value


def _require_packages(packages: Any, given: Container[str], primary: Path | None) -> None:
    if "python_packages" in given or packages is None:  # None: a composition for Hydra's own help
        return
    trusted = [OURS, *_packages_of(primary)]
    for package in packages if isinstance(packages, list) else [packages]:
        if package not in trusted:
            raise ConfigurationError(
                f"python_packages: {package!r} is allowed by a config file that was selected, which must not add "
                f"packages; if you trust it: python_packages=[{OURS},{package}] on the command line, in "
                f"{PACKAGES_VARIABLE}, or in your own primary config (--config-name)"
            )


def _packages_of(primary: Path | None) -> list[str]:
    """The packages that the file itself allows, without those of the files that it selects."""
    if primary is None:
        return []
    import yaml

    try:
        said = yaml.safe_load(primary.read_text())
    except (OSError, ValueError, yaml.YAMLError):
        return []
    packages = said.get("python_packages") if isinstance(said, dict) else None
    return [str(package) for package in packages] if isinstance(packages, list) else []
