"""lock: compares the build with the lock file, or writes the file, before processes start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.building.chip_callables import CallableBuilder
from pipeline.lock.differences import differences_of, explain_differences
from pipeline.lock.mismatch import LockMismatch
from pipeline.run.stage_results import Locked
from pipeline.run.stages.lock_entries import chip_entries, python_entries, source_entries, target_name
from runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.lock.document import Callables
    from pipeline.lock.file import Content
    from pipeline.run.stage_results import Built, Described, Registered
    from pipeline.terminal.console import Console
    from runtime import ChipCallable


def lock(built: Built, console: Console) -> Locked:
    """Writes or checks the lock file, by the key ``lock``. A difference is a result, not an exception.

    Raises:
        ConfigurationError: the lock file is missing, is invalid, cannot be written, or lacks this workload on this
            target.
    """
    described = built.described
    builder = CallableBuilder(described.store, described.platform, described.kernel_flags)
    callables = {
        **chip_entries(described, built.chip_callables, builder),
        **python_entries(described, built.chip_callables),
    }
    if described.lock == "write":
        content, new = described.lock_file.update(described.workload_name, target_name(described), callables)
        console.action("written" if new else "unchanged", described.lock_file.name, hashed=content.sha256)
        return Locked(built, callables, content.sha256, "written" if new else "unchanged")
    content, locked = read_locked(described)
    differences = differences_of(locked, callables)
    word = "differs" if differences else "locked"
    console.action(word, described.lock_file.name, hashed=content.sha256)
    return Locked(built, callables, content.sha256, "differs" if differences else "matches", differences)


def plan_lock(
    described: Described, cached: Mapping[str, ChipCallable], builder: CallableBuilder, console: Console
) -> None:
    """Prints what ``lock`` would do, as far as it is known without a build. Raises ConfigurationError like ``lock``."""
    callables = {**chip_entries(described, cached, builder), **source_entries(described)}
    unbuilt = {spec.name for spec in described.chip_callables if spec.name not in cached}
    unbuilt |= {spec.name for spec in described.declared_python_callables if spec.pickle_by_value}
    file = described.lock_file
    if described.lock == "write":
        content = file.read()
        workloads = {} if content is None else content.document.workloads
        same = not unbuilt and workloads.get(described.workload_name, {}).get(target_name(described)) == callables
        console.action("unchanged" if same else "would write", file.name)
        return
    content, locked = read_locked(described)
    # A callable that is not built can only be checked for an entry in the lock.
    known = {name: callable_ for name, callable_ in locked.items() if name not in unbuilt}
    differences = differences_of(known, callables)
    unlocked = sorted(unbuilt.difference(locked))
    word = "would fail" if differences or unlocked else "would check" if unbuilt else "would match"
    console.action(word, file.name, hashed=content.sha256)
    for line in [line for difference in differences for line in difference.lines]:
        console.line(f"{'':<12}{line}")
    for name in unlocked:
        console.line(f"{'':<12}{name}: not in the lock")


def require_match(locked: Locked) -> None:
    """Raises LockMismatch if the build differs from the lock."""
    described = locked.built.described
    if locked.differences:
        name, target = described.lock_file.name, target_name(described)
        raise LockMismatch(explain_differences(name, described.workload_name, target, locked.differences))


def require_registered(locked: Locked, registered: Registered) -> None:
    """Raises LockMismatch if a source changed between its comparison with the lock and its registration."""
    for name, handle in registered.handles.items():
        if handle.hashid != locked.callables[name].hashid:
            said = f"{name}: {locked.callables[name].hashid} when it was locked, registered {handle.hashid}"
            raise LockMismatch(f"{said}: its source changed during the run; run it again")


def read_locked(described: Described) -> tuple[Content, Callables]:
    """The lock, and its entries for the workload on the target. Raises ConfigurationError if it has none."""
    file, workload, target = described.lock_file, described.workload_name, target_name(described)
    content = file.read()
    if content is None:
        raise ConfigurationError(f"{file.name}: this lock file does not exist; lock=write makes it")
    targets = content.document.workloads.get(workload)
    if targets is None:
        known = ", ".join(sorted(content.document.workloads)) or "none"
        raise ConfigurationError(f"{file.name}: has no workload={workload} (known are {known}); lock=write adds it")
    if target not in targets:
        known = ", ".join(sorted(targets)) or "none"
        raise ConfigurationError(
            f"{file.name}: has workload={workload}, but not for {target} (known are {known}); lock=write adds it"
        )
    return content, targets[target]
