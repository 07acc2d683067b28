"""The Hydra application: composes the configuration, runs one job or a sweep, and gives the exit code."""

from __future__ import annotations

import contextlib
import math
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from pipeline.common import outcome
from pipeline.common.places import explain_place
from pipeline.config.schema import FOR_PEOPLE, Config, register_schema
from pipeline.config.tree import CONF, named_folders
from pipeline.hydra_glue.command_line import parsed_by_us
from pipeline.hydra_glue.composed_once import composed_once
from pipeline.hydra_glue.environment_values import resolved
from pipeline.hydra_glue.forgotten_sweep import program_words
from pipeline.hydra_glue.run_files import name_run_files
from pipeline.hydra_glue.trusted import only_trusted
from pipeline.hydra_glue.versions import COMPATIBILITY, register_resolver
from pipeline.project.here import within_project
from pipeline.terminal.broken_pipe import ReaderGone
from pipeline.terminal.interrupts import INTERRUPTED, remembered, restored
from runtime.errors import CallringError, ConfigurationError

_CONFIG_OPTIONS = ("--config-dir", "-cd", "--config-path", "-cp", "--config-name", "-cn")

ADMIN_STAGES = ("doctor", "prune", "schema")
"""Stages that maintain the installation; pipeline.admin.commands."""

# Jobs of a sweep may run in processes of other launchers, which only import this module.
name_run_files()
# Cached: the jobs of a sweep share one directory.
register_resolver("callring.pid", os.getpid, cached=True)
# For values that follow from sizes, such as the FLOP of a task: ${callring.product:2,${workload.m},${workload.n}}.
register_resolver("callring.product", lambda *factors: math.prod(factors), cached=True)


@restored()
def run_job(config: DictConfig) -> int:
    """Runs one job with the configuration that Hydra composed. A failed run is an exit code, not an exception."""
    try:
        plain, from_environment = resolved(config)
    except OmegaConfBaseException as error:
        # Printed here and not raised, so that the other jobs of a sweep still run.
        _print_error(error)
        outcome.codes.append(1)
        if HydraConfig.get().mode is RunMode.MULTIRUN:
            from pipeline.sweep.progress import count_ended

            count_ended()
        return 1
    values: dict[str, Any] = {str(key): value for key, value in plain.items()}
    if values["stage"] in ADMIN_STAGES:
        from pipeline.admin.commands import run_admin_stage

        code = run_admin_stage(values)
        outcome.codes.append(code)
        return code
    hydra_config = HydraConfig.get()
    in_sweep = hydra_config.mode is RunMode.MULTIRUN
    if not in_sweep:
        from pipeline.hydra_glue.forgotten_sweep import refuse_forgotten

        try:
            refuse_forgotten(hydra_config, outcome.arguments)
        except ConfigurationError as error:
            print(f"error: {error}", file=sys.stderr)
            outcome.codes.append(1)
            return 1
    warm = None
    if in_sweep:
        from pipeline.run.worker_pool import WARM

        warm = WARM
        if values["output"] == "verbose" or (values["output"] in FOR_PEOPLE and values["stage"] == "plan"):
            print(f"{'job':<12}{hydra_config.job.num}: {' '.join(hydra_config.overrides.task)}")
    runtime = hydra_config.runtime
    from pipeline.exit_codes import exit_code_of
    from pipeline.lock.file import choose_lock_file
    from pipeline.run.job import Job

    lock_file = choose_lock_file(values["lock_file"], _users_config_folders(), Path(runtime.cwd))
    _search_users_modules()
    job = Job(
        values,
        _config_folders(),
        Path(runtime.output_dir),
        lock_file,
        overrides=list(hydra_config.overrides.task),
        command=_command_again(hydra_config.overrides.task),
        from_environment=from_environment,
        warm=warm,
        in_sweep=in_sweep,
    )
    try:
        code = job.run()
    except KeyboardInterrupt as interrupt:
        outcome.codes.append(exit_code_of(interrupt))
        raise
    outcome.codes.append(code)
    if in_sweep and values["output"] in FOR_PEOPLE and values["stage"] != "plan":
        from pipeline.sweep.points import Point
        from pipeline.sweep.progress import say_ended

        number = int(hydra_config.job.num)
        say_ended(Point(tuple(hydra_config.overrides.task), number, Path(runtime.output_dir), code))
    return code


def _command_again(overrides: Sequence[str]) -> list[str]:
    """The command that runs a job again from the same folder, with the configs of this command line."""
    options = _options_of_configs(HydraConfig.get()) if not outcome.arguments else []
    given = iter(outcome.arguments)
    for word in given:
        name, equals, _ = word.partition("=")
        if name in _CONFIG_OPTIONS:
            options += [word] if equals else [word, next(given, "")]
    return [*program_words(), *options, *overrides]


def _options_of_configs(hydra_config: HydraConf) -> list[str]:
    """The options that select the configs, in a process of another launcher, which has no command line of ours."""
    sources = {source.provider: source.path for source in hydra_config.runtime.config_sources}
    folder, name = sources.get("command-line"), hydra_config.job.config_name
    return [f"--config-dir={folder}"] * bool(folder) + [f"--config-name={name}"] * (name != "config")


def _search_users_modules() -> None:
    """Adds the folders of the user's sources to the search path: those beside the configs, and the current folder.

    ``python -m`` searches the current folder first anyway; the console script does not.
    """
    users = [place for folder in _users_config_folders() for place in (folder.resolve(), folder.resolve().parent)]
    sys.path += [str(place) for place in (Path.cwd(), *users) if str(place) not in sys.path]


def _config_folders() -> list[Path]:
    """The folders of the configs, the user's first, each with its parent: sources are relative to these."""
    return [place for folder in (*_users_config_folders(), CONF) for place in (folder, folder.resolve().parent)]


def _users_config_folders() -> list[Path]:
    """The folders of configs that the user gave: ``--config-dir`` first, then ``hydra.searchpath``."""
    sources = HydraConfig.get().runtime.config_sources
    return [Path(source.path) for source in sources if source.schema == "file" and Path(source.path) != CONF]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line. Returns the exit code; for a sweep, the highest code of its jobs.

    Args:
        arguments: the arguments after the program's name; None: those of this process.
    """
    if arguments is not None:
        with _command_line(arguments):
            return main()
    try:
        given = within_project(sys.argv[1:], Path())
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    with _command_line(given):
        return _main()


def _main() -> int:
    outcome.codes.clear()
    outcome.arguments[:] = sys.argv[1:]
    # Registered here and not at import: processes of other launchers get their plugins from the sweep's process.
    from pipeline.sweep.plugins import register_plugins

    register_schema()
    register_plugins()
    # Without this, Hydra prints a traceback or a message of its own and exits. With it, Hydra raises.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    application = hydra.main(config_path=str(CONF), config_name="config", **COMPATIBILITY)(run_job)
    try:
        with _plan_leaves_nothing(), remembered(), _completed(), parsed_by_us(), _composed():
            application()
    except ReaderGone:
        raise
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as usage:
        # argparse has printed the error. Its exit code 2 has no meaning here.
        return 1 if usage.code else 0
    except CallringError as error:  # a ConfigurationError, or the machines of a sweep do not start
        from pipeline.exit_codes import exit_code_of

        print(f"error: {error}", file=sys.stderr)
        return exit_code_of(error)
    except Exception as error:
        place = explain_place(error, sys.argv[1:]) if isinstance(error, OSError) else None
        if place is not None:
            print(f"error: {place}", file=sys.stderr)
            return 1
        if not _raised_by_hydra(error):
            raise
        _print_error(error)
        return 1
    return max(outcome.codes, default=0)


@contextlib.contextmanager
def _completed() -> Iterator[None]:
    """For a shell completion: lets Hydra also complete values, from the configs that the line names."""
    if not {"-sc", "--shell-completion"} & set(sys.argv[1:]):
        yield
        return
    from pipeline.hydra_glue.completion import values_completed

    # Hydra reads folders only from its own command line, not from the line that it completes.
    named = [folder for folder in named_folders(os.environ.get("COMP_LINE", "").split()) if folder.is_dir()]
    with values_completed(Config), _command_line([*sys.argv[1:], *(f"--config-dir={folder}" for folder in named)]):
        yield


@contextlib.contextmanager
def _composed() -> Iterator[None]:
    """While the block runs, Hydra composes once, and refuses values that config files must not set."""
    with only_trusted(sys.argv[1:], CONF), composed_once(sys.argv[1:]):
        yield


@contextlib.contextmanager
def _plan_leaves_nothing() -> Iterator[None]:
    """Gives Hydra an existing run directory for a plan and for maintenance stages, which need none.

    Hydra writes nothing into it, so these stages also work if no folder can be written.
    """
    if not any(argument in sys.argv[1:] for argument in ("stage=plan", *(f"stage={stage}" for stage in ADMIN_STAGES))):
        yield
        return
    here = ("hydra.run.dir=.", "hydra.sweep.dir=.", "hydra.sweep.subdir=.", "hydra.output_subdir=null")
    with _command_line([*sys.argv[1:], *here]):
        yield


@contextlib.contextmanager
def _command_line(arguments: Sequence[str]) -> Iterator[None]:
    """Replaces the process's command line, which Hydra reads, for the duration of the block."""
    given = sys.argv[:]
    sys.argv[1:] = arguments
    try:
        yield
    finally:
        sys.argv[:] = given


def _raised_by_hydra(error: BaseException) -> bool:
    """Whether Hydra, OmegaConf or the YAML parser refused the configuration."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    places = (type(error).__module__, trace.tb_frame.f_globals.get("__name__", "") if trace else "")
    return any(place.partition(".")[0] in ("hydra", "omegaconf", "yaml") for place in places)


def _print_error(error: Exception) -> None:
    from pipeline.hydra_glue.messages import explain_error

    print(f"error: {explain_error(error)}", file=sys.stderr)
