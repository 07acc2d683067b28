"""One run, from its composed configuration to its exit code: the stages in order, and a report in any case."""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.building import core as core_build
from pipeline.building.store import Store, default_store
from pipeline.common.counts import count_of
from pipeline.common.places import run_directory_words, run_directory_written, shown_path
from pipeline.config.schema import FOR_PEOPLE
from pipeline.config.topology import topology_name
from pipeline.exit_codes import CONFIGURATION, READER_GONE, TASK_FAILED, WORKER_LOST, exit_code_of, message_of
from pipeline.hydra_glue.environment_values import without_values
from pipeline.lock.file import LockFile
from pipeline.report.failure import failure_words
from pipeline.report.provenance import ask, provenance
from pipeline.report.record import CallableRecord, LockRecord, RunRecord, names_of
from pipeline.report.summary import COLUMNS, outcome_lines, summary_rows
from pipeline.report.worker_output import WORKER_OUTPUT
from pipeline.run.stage_results import Built, Described, Executed, Locked, Registered, Verified
from pipeline.run.stages.build import build_callables, chip_hashid
from pipeline.run.stages.describe import describe
from pipeline.run.worker_pool import WarmWorkers
from pipeline.terminal.actions import StageRecord
from pipeline.terminal.broken_pipe import abandon, watched
from pipeline.terminal.console import Console
from pipeline.terminal.interrupts import INTERRUPTED, remembered, restored
from pipeline.workloads.base import Verification
from runtime.errors import ConfigurationError, StartError
from runtime.hosting.cluster import Cluster
from runtime.observe.trace import Trace

if TYPE_CHECKING:
    from pipeline.config.specs import ChipSpec, PythonSpec
    from pipeline.live.job import LiveJob
    from pipeline.report.virtual import VirtualRecord
    from runtime.observe.host_info import HostInfo

_STAGES = ("describe", "build", "load", "model", "start", "register", "execute", "verify", "report")
_MADE_BETWEEN_COLLECTIONS = 20_000
"""Objects between two collections. Reports and sweeps make many objects and little garbage; Python's default of 700
would cost them a tenth of their time."""
_HANDED_OVER = "CALLRING_HANDED_OVER"
"""An environment variable: the key of the core for which a job was handed over, which happens at most once."""
_PR_SET_PDEATHSIG = 1
_BUILT_BY_PARENT = "CALLRING_CORE_BUILD_SECONDS"
"""An environment variable: the seconds that building the core of a handed-over job took, for that job's report."""


class Job:
    """A run, with its results so far.

    Args:
        config: the composed configuration as plain values.
        folders: folders of the configs, where sources are searched.
        output: the run directory.
        lock_file: the lock file that ``lock`` writes or checks.
        overrides: the command line's overrides of the configuration.
        command: the command that runs it again, for its report.
        from_environment: paths of keys whose values come from the environment, with their interpolations.
        begin: the run's begin on the monotonic clock; None: now.
        warm: Workers that jobs of this process pass to each other; None: the job starts and ends its own.
        in_sweep: whether this is one of several jobs; then only the sweep prints, unless ``output=verbose``.
        live_page: for a job that was handed over: the address of its live page, which this process continues to serve.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        folders: Sequence[Path],
        output: Path,
        lock_file: LockFile,
        *,
        overrides: Sequence[str] = (),
        command: Sequence[str] = (),
        from_environment: Mapping[str, str] | None = None,
        begin: float | None = None,
        warm: WarmWorkers | None = None,
        in_sweep: bool = False,
        live_page: Mapping[str, Any] | None = None,
    ) -> None:
        self._config = config
        self._live_page = live_page
        self._live: LiveJob | None = None
        self._overrides = overrides
        self._command = command
        self._from_environment = dict(from_environment or {})
        self._warm = warm
        self._in_sweep = in_sweep
        self._folders = folders
        self._lock_file = lock_file
        self._output = output
        self._json = config["output"] == "json"
        self._out = sys.stdout if config["output"] in FOR_PEOPLE else None
        self._verbose = config["output"] == "verbose"
        quiet = in_sweep and not self._verbose and config["stage"] != "plan"
        self._console = Console(self._out, verbose=self._verbose, quiet=quiet)
        self._begin = time.monotonic() if begin is None else begin
        self._described: Described | None = None
        self._callables: list[CallableRecord] = []
        self._locked: Locked | None = None
        self._trace = Trace()
        self._worker_output = ""
        self._warm_up_seconds: tuple[float, ...] = ()
        self._run_seconds: tuple[float, ...] = ()
        self._hosts: list[HostInfo] = []
        self._verification: Verification | None = None
        self._virtual: VirtualRecord | None = None
        self._exit_code: int | None = None
        self._written: Mapping[str, Any] | None = None
        """result.json, once it is written."""

    def run(self) -> int:
        """Runs the stages and reports. Returns the exit code; re-raises KeyboardInterrupt after the report."""
        try:
            return self._run()
        finally:
            if self._live is not None:
                self._live.end(self._written)

    def _run(self) -> int:
        error: BaseException | None = None
        try:
            with restored():
                self._run_stages(_STAGES.index(self._config["stage"]) if self._config["stage"] != "plan" else -1)
        except BaseException as caught:  # reported below; an interrupt is raised again after that
            error = caught
        if self._exit_code is not None and (error is None or isinstance(error, KeyboardInterrupt)):
            if error is not None:
                raise error
            return self._exit_code  # another process has run the job and reported
        code = 0 if error is None else exit_code_of(error)
        message = None if error is None else message_of(error)
        if error is None and self._verification is not None and self._verification.passed is False:
            code = TASK_FAILED
            message = f"verification differs: {self._verification.message}"
        if message is not None and code in (TASK_FAILED, WORKER_LOST):
            tasks = failure_words(self._trace, self._names())
            # A message of one line stays on one line.
            message += f"{os.linesep if os.linesep in message else '; '}{tasks}" if tasks else ""
        if message is not None and code != READER_GONE:
            self._console.error(f"error: {message}")
        if self._config["stage"] != "plan":
            try:
                code = self._report(code, message)
            except OSError as unwritten:
                words = run_directory_words(shown_path(self._output), unwritten, sweep=self._in_sweep)
                self._console.error(f"error: {words}; the run is not recorded")
                code = code or CONFIGURATION
        if isinstance(error, KeyboardInterrupt):
            raise error
        return code

    def _run_stages(self, last: int) -> None:
        with self._console.stage("describe"):
            self._described = described = describe(self._config, self._folders, self._lock_file, self._overrides)
        if not gc.isenabled():  # see pipeline.__main__
            gc.freeze()
            gc.set_threshold(_MADE_BETWEEN_COLLECTIONS)
            gc.enable()
        if last < 0:
            from pipeline.run.stages.plan import plan, plan_text

            made = plan(described, self._console, self._config["plan"]["graph"])
            if self._json:
                print(plan_text(made))
            return
        if self._config["live"]:
            self._show_live(described)
        if last < _STAGES.index("build"):
            return
        with self._console.stage("build"):
            begin = time.perf_counter()
            core = core_build.find_core(described)
            build_seconds = os.environ.pop(_BUILT_BY_PARENT, None)
            if core.folder is None:
                core = core_build.build_core(described, core, self._console, self._output / "build.log")
                build_seconds = str(time.perf_counter() - begin)
            if not core.loaded:
                if os.environ.get(_HANDED_OVER) == core.key:
                    raise StartError(f"build={described.build}: {core.folder} holds another core than that of its key")
                # Set before the hand-over: the other process reports, even if an interrupt ends this call.
                self._exit_code = INTERRUPTED
                self._exit_code = self._hand_over(core, build_seconds)
                return
            self._console.action(
                "built" if build_seconds else "cached",
                f"core ({described.build})",
                hashed=core.key,
                seconds=float(build_seconds) if build_seconds else time.perf_counter() - begin,
            )
            ask()
            built = build_callables(described, self._console)
            self._note_callables(described, built)
        if described.lock != "off":
            from pipeline.run.stages.lock import lock, require_match

            with self._console.stage("lock"):
                self._locked = lock(built, self._console)
                require_match(self._locked)
        if last < _STAGES.index("load"):
            return
        with self._console.stage("load"):
            # find_core compared the sources' digest and the build type of the core that this process has loaded.
            self._console.action("loaded", f"core ({described.build})", hashed=core.key)
        if described.modelled is not None and last >= _STAGES.index("model"):
            from pipeline.run.stages.model import model

            with self._console.stage("model"):
                self._virtual = model(described, self._console)
        if last >= _STAGES.index("start"):
            mark = WORKER_OUTPUT.mark()
            try:
                with WORKER_OUTPUT.watched():
                    self._serve(built, last)
            finally:
                self._worker_output = WORKER_OUTPUT.since(mark)

    def _names(self) -> dict[str, str]:
        return names_of(self._callables, self._described.tree.engine if self._described else Cluster())

    def _show_live(self, described: Described) -> None:
        from pipeline.live.job import LiveJob

        self._live = LiveJob(
            self._config,
            f"{described.workload_name} on {described.topology}",
            f"target {described.target} \u00b7 build {described.build}",
            self._console,
            self._output,
            names=self._names,
            in_sweep=self._in_sweep,
            handed=self._live_page,
        )

    def _serve(self, built: Built, last: int) -> None:
        """The stages that need processes; no process is left afterwards, even after a failure."""
        from pipeline.run.stages.execute import execute
        from pipeline.run.stages.register import register
        from pipeline.run.stages.start import start
        from pipeline.run.stages.verify import verify

        # Imported while the children start: this process would only wait for them.
        threading.Thread(target=importlib.import_module, args=("pipeline.report.outputs",)).start()
        with self._console.stage("start"):
            started = start(built, self._console, self._warm)
        worker = started.worker
        if self._live is not None:
            self._live.works_on(worker)
        registered: Registered | None = None
        executed: Executed | None = None
        ended_well = False
        try:
            if last >= _STAGES.index("register"):
                with self._console.stage("register"):
                    registered = register(started, self._console)
                    self._callables += [
                        CallableRecord(name, str(handle.kind), handle.hashid, str(handle.target_namespace))
                        for name, handle in registered.handles.items()
                        if name not in built.chip_callables
                    ]
                    if self._locked is not None:
                        from pipeline.run.stages.lock import require_registered

                        require_registered(self._locked, registered)
            if registered is not None and last >= _STAGES.index("execute"):
                with self._console.stage("execute"):
                    executed = execute(registered, self._console)
                    self._warm_up_seconds, self._run_seconds = executed.warm_up_seconds, executed.run_seconds
            if executed is not None and last >= _STAGES.index("verify"):
                with self._console.stage("verify"):
                    verified: Verified = verify(executed, self._console)
                    self._verification = verified.verification
            ended_well = True
        except KeyboardInterrupt:
            patience = self._config["worker"]["close_timeout"]
            self._console.line(
                f"{'ending':<12}interrupted: waits for the workers to end, at most {patience:g} s "
                "(worker.close_timeout), then reports what ran"
            )
            raise
        finally:
            if self._live is not None:
                self._live.works_on(None)
            self._trace = worker.trace()
            self._hosts = worker.hosts()
            if self._warm is not None and ended_well:
                self._warm.give_back(built.described, worker, registered.handles.values() if registered else ())
            else:
                worker.close()

    def _note_callables(self, described: Described, built: Built) -> None:
        self._callables = [
            CallableRecord(
                name,
                "CHIP_CALLABLE",
                chip_hashid(described, callable_),
                "LOCAL_CHIP",
                [kernel.name for kernel in callable_.kernels],
            )
            for name, callable_ in built.chip_callables.items()
        ]

    def _recorded_callables(self, code: int) -> list[CallableRecord]:
        """The callables, with the declared work of their tasks; with their sources if a task failed."""
        described = self._described
        if described is None:
            return self._callables
        specs: list[ChipSpec | PythonSpec] = [*described.chip_callables, *described.declared_python_callables]
        work = {spec.name: (spec.flop, spec.bytes) for spec in specs}
        records = [r._replace(flop=work[r.name][0], bytes=work[r.name][1]) for r in self._callables]
        if code not in (TASK_FAILED, WORKER_LOST):
            return records
        from pipeline.report.sources import with_sources

        return with_sources(records, specs, described.kernel_flags)

    def _lock_record(self) -> LockRecord | None:
        locked = self._locked
        if locked is None:
            return None
        differing = [difference.name for difference in locked.differences]
        return LockRecord(self._lock_file.name, locked.sha256, locked.outcome, differing)

    def _hand_over(self, core: core_build.Core, build_seconds: str | None) -> int:
        """Runs the job again in a process that loads the wanted core: a process cannot replace its core."""
        described = self._described
        assert described is not None
        request = self._output / "job.json"
        place = {"path": str(self._lock_file.path), "name": self._lock_file.name}
        also = {
            "_folders": [str(folder) for folder in self._folders],
            "_lock_file": place,
            "_overrides": list(self._overrides),
            "_command": list(self._command),
            "_from_environment": list(self._from_environment.items()),
            "_in_sweep": self._in_sweep,
            "_begin": self._begin,
            "_live_page": self._live.hand_over() if self._live is not None else None,
        }
        # As JSON, so that no value is interpolated again; unreadable to other users, as it has values that reports
        # omit.
        with run_directory_written(self._output, sweep=self._in_sweep):
            descriptor = os.open(request, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump({**self._config, **also}, file)
        environment = core_build.environment_for(core, described.sanitizer)
        environment[_HANDED_OVER] = core.key
        if build_seconds:
            environment[_BUILT_BY_PARENT] = build_seconds
        # With this process's search path from the first import on: the current folder must not shadow any module.
        program = f"import sys; sys.path[:] = {sys.path!r}; from pipeline.run.job import main; sys.exit(main())"
        command = [sys.executable, "-c", program, str(request), str(self._output)]
        # In its own process group: a terminal interrupts only this process, which then interrupts the other one once.
        cores = Store(described.store, "cores")
        cores.mark_used(core.key)
        with cores.hold(core.key), self._console.left_alone():
            code = self._end_of(command, environment)
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        if code == READER_GONE:
            abandon()
        return code if code >= 0 else WORKER_LOST

    def _end_of(self, command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Runs a command to its end, and interrupts it when this process is interrupted. Returns its exit status."""
        child = subprocess.Popen(command, env=environment, process_group=0)
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                child.send_signal(signal.SIGINT)

    def _shown_configuration(self) -> Mapping[str, Any]:
        """The configuration, as reports show it."""
        if self._config["report"]["environment"]:
            return self._config
        return without_values(self._config, self._from_environment)

    def _report(self, code: int, error: str | None) -> int:
        """Writes the run's files and prints the result. Returns the exit code, which a comparison may have changed.

        A stage like the others, but it also runs after an interrupt.
        """
        from pipeline.report.outputs import REPORT, write_documents, write_traces
        from pipeline.report.result import result_document, result_text, stage_document

        compared = io.StringIO()
        with self._console.stage("report", interrupted=True) as seconds:
            record = self._record(code, error)
            drawn = write_traces(self._output, record, self._drawn(record))
            document = result_document(record)
            if self._config["compare"] and not code and not self._in_sweep:
                from pipeline.baseline.verdict import compare_result

                path, threshold = self._config["compare"], self._config["compare_threshold"]
                document = compare_result(document, path, threshold, compared)
            # The time of writing the other files, some milliseconds, is missing: they would have to contain it.
            page = shown_path(self._output / REPORT)
            reported = self._console.noted("reported", page, seconds=seconds())
            document["stages"] += [stage_document(StageRecord("report", seconds(), self._console.actions))]
            document["seconds"] = time.monotonic() - self._begin
            if self._config["stage"] == "report":
                self._say_summary(document)
            for line in compared.getvalue().splitlines():
                self._console.line(line)
            if document["exit_code"] != code:
                self._console.error(f"error: {document['error']}")
            write_documents(self._output, record, document, drawn)
            self._written = document
        log = self._output / "run.log"
        if self._verbose:
            for file in sorted({*self._output.glob("*.*"), log}):
                self._console.line(f"{'wrote':<12}{file}")
        self._console.line(reported)
        self._console.write_log(log)
        if self._json and not self._in_sweep:
            print(result_text(document))
        return int(document["exit_code"])

    def _say_summary(self, document: Mapping[str, Any]) -> None:
        rows = summary_rows(document)
        if rows:
            self._console.table([COLUMNS, *rows], 2)
        for line in outcome_lines(document):
            self._console.line(line)

    def _drawn(self, record: RunRecord) -> Trace:
        """The drawn part of a run: all of it, or the end of an interrupted run, whose report a person waits for."""
        from pipeline.report.latest import MOST_SPANS, count_tasks, latest

        tasks = count_tasks(record.trace)
        if record.exit_code in (INTERRUPTED, READER_GONE):
            drawn = latest(record.trace)
            if drawn is not record.trace:
                kept = count_tasks(drawn)
                self._console.line(f"{'reporting':<12}{count_of(tasks, 'task')}, and draws the last {kept:,} of them")
            return drawn
        if tasks > MOST_SPANS:
            self._console.working(f"{count_of(tasks, 'task')} to draw")
        return record.trace

    def _known_store(self) -> Path:
        """The store, which has notes of the compiler and of versions; the run directory if there is no store."""
        if self._described is not None:
            return self._described.store
        try:
            return default_store()
        except ConfigurationError:
            return self._output

    def _record(self, code: int, error: str | None) -> RunRecord:
        described = self._described
        return RunRecord(
            workload=described.workload_name if described else str((self._config["workload"] or {}).get("name", "")),
            topology=topology_name(self._config["topology"], self._overrides),
            target=self._config["target"]["name"],
            build=self._config["build"]["name"],
            exit_code=code,
            configuration=self._shown_configuration(),
            overrides=self._overrides,
            provenance=provenance(Store(self._known_store(), "callables", read_only=described is None)),
            callables=self._recorded_callables(code),
            lock=self._lock_record(),
            stages=self._console.stages,
            trace=self._trace,
            warm_up=described.warm_up if described else 0,
            warm_up_seconds=self._warm_up_seconds,
            run_seconds=self._run_seconds,
            verification=self._verification,
            virtual=self._virtual,
            engine=described.tree.engine if described else Cluster(),
            hosts=self._hosts,
            worker_output=self._worker_output,
            command=self._command,
            error=error,
        )


def main() -> int:
    """Runs a job that was handed over; the arguments are job.json and the run directory."""
    import ctypes

    # This process ends with the one that handed the job over, since no other process waits for the result.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    request, output = map(Path, sys.argv[1:3])
    config: dict[str, Any] = json.loads(request.read_text())
    request.unlink()
    folders = [Path(folder) for folder in config.pop("_folders")]
    place = config.pop("_lock_file")
    lock_file = LockFile(Path(place["path"]), place["name"])
    overrides, in_sweep, command = (config.pop(key) for key in ("_overrides", "_in_sweep", "_command"))
    from_environment, begin = dict(config.pop("_from_environment")), config.pop("_begin")
    live_page = config.pop("_live_page")
    try:
        with watched(), remembered():
            job = Job(
                config,
                folders,
                output,
                lock_file,
                overrides=overrides,
                command=command,
                from_environment=from_environment,
                begin=begin,
                in_sweep=in_sweep,
                live_page=live_page,
            )
            return job.run()
    except KeyboardInterrupt as interrupt:
        return exit_code_of(interrupt)
