"""The hosting server's part in tasks: it sends them to hosts, knows what stays there, and has lost contents made again.

A content that was lost with its host is made again when a task needs it, or when it is to come home: its recipe
(runtime/child_side/recipes.py) is executed on the next host of its node. The gateway that needs it waits, and reads the
inputs that are at home: every gateway has mapped the memory of all tensors.
"""

from __future__ import annotations

import pickle
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from runtime import _core
from runtime.child_side import recipes
from runtime.child_side.contents import Contents
from runtime.child_side.far_arguments import Key, kept_bytes, unpacked
from runtime.child_side.recipes import Content
from runtime.hosting import transfer
from runtime.hosting.door import ContentLost, HostLost
from runtime.hosting.wire import WireClosed
from runtime.pickles.outcomes import unpack_exception

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runtime.child_side.far_arguments import Home, Kept
    from runtime.child_side.hosted import Hosted
    from runtime.child_side.recipes import Declared, Recipe
    from runtime.hosting.door import Hosting
    from runtime.hosting.wire import Wire

_OK: int = _core.CODES["ok"]


class Wanted(NamedTuple):
    """A question to a gateway in place of an answer: it has to send, for each of these, the elements; None: changed."""

    homes: list[Home]
    only_whether: bool
    """Whether true and false suffice."""


class Message(NamedTuple):
    """Tasks on their way to a host."""

    head: bytes
    """Their pickled calls, which this process does not read."""
    large: list[Any]
    """Each large content that they read, or the key of one that stays on a host."""
    kept: list[Kept | None]
    """For each large content that they write, its name and bytes if it stays there; None: it comes back."""
    declared: list[Declared]
    """The recipes of those tasks that have one."""


class Hosts(Protocol):
    """What is needed of the hosting server."""

    def host_with(self, node: int, hashid: str, patience: float, asking: Hosted) -> Hosted | None:
        """Waits for the host of a node that has a callable. Raises HostLost if the one that is ``asking`` was lost."""

    def lose(self, hosted: Hosted, why: str) -> None:
        """Ends a host."""

    def answers(self, hosted: Hosted) -> bool:
        """Asks a host whether it lives; one that does not answer in time is lost."""

    def count(self, hosted: Hosted, *, sent: int = 0, received: int = 0) -> None:
        """Counts bytes that travelled."""


class HostedTasks:
    """Serves the requests of gateways about tasks. Each is called in the thread of the gateway's connection."""

    def __init__(self, hosts: Hosts, hosting: Hosting) -> None:
        self._hosts = hosts
        self._hosting = hosting
        self.contents = Contents()
        self._changed = threading.Condition(self.contents.lock)
        """Notified when a recipe was executed."""

    # ---- requests --------------------------------------------------------------------------------------------------

    def away(self, wire: Wire, hosted: Hosted, keys: list[Key | None]) -> None:
        """Answers for each of these contents with the number of its bytes if it is on a host, with 0 if it is at home,
        and with the reason if it was lost for good."""
        wire.send([0 if key is None or not self.contents.has(key) else self._there(wire, hosted, key) for key in keys])

    def run(self, wire: Wire, hosted: Hosted, message: Message) -> None:
        """Runs tasks, and answers with their outcomes; see FarHost.run. None: a content was lost meanwhile."""
        head, large, kept, declared = message
        sources = {key: self.contents.find(key) for key in _keys(large, declared)} if large or declared else {}
        if not all(content is not None and content.is_here for content in sources.values()):
            wire.send(None)
            return
        refs = hosted.host.call("run", head, *_resolved(large, sources), returns=1 + len(kept))
        self._hosts.count(hosted, sent=len(head) + sum([len(one) for one in large if not isinstance(one, Key)]))
        try:
            outcomes = self._hosting.get(refs[0])
        except ContentLost as error:
            if not self._is_lost(sources.values()):
                raise HostLost(str(error)) from None
            wire.send(None)
            return
        hosted.input_bytes = kept_bytes(outcomes)
        found: list[Any] = [pickle.PickleBuffer(outcomes)]
        new: list[Content | None] = []
        for one, ref in zip(kept, refs[1:], strict=True):
            content = self._hosting.get(ref) if one is None else None
            found.append(None if content is None else pickle.PickleBuffer(content))
            new.append(None if one is None else Content(*one, ref, hosted))
        self._hosts.count(hosted, received=sum(buffer.raw().nbytes for buffer in found if buffer is not None))
        there = [content for content in new if content is not None]
        for content in there:
            self.contents.keep(content)
        for task in declared:
            read = [sources[source] if isinstance(source, Key) else source for source in task.sources]
            written = [new[place] for place in task.outputs]
            recipes.learn(task, [s for s in read if s], [content for content in written if content], hosted)
        try:
            wire.send(found)
        except WireClosed:  # the gateway has ended: these tasks have not, and their run may be over
            self.contents.drop(there)
            raise

    def move(self, wire: Wire, hosted: Hosted, key: Key, how: int) -> None:
        """Answers with a content that is to come home, and why that is impossible; or drops one.

        It stays until the gateway says that it was brought: another one asks again if that gateway dies before.
        """
        if how == transfer.DROP:
            self.contents.bring(key)
            wire.send((None, ""))
            return
        while True:
            try:
                lost = self._there(wire, hosted, key)
                kept = self.contents.find(key)
            except KeyError:
                lost = "a host, and is not there any more"
            if isinstance(lost, str) or kept is None:
                wire.send((None, lost if isinstance(lost, str) else ""))
                return
            try:
                content = pickle.PickleBuffer(self._hosting.get(kept.ref))
            except HostLost as error:
                if kept.hosted is hosted:
                    raise
                self._hosts.lose(kept.hosted, str(error))
                continue
            self._hosts.count(kept.hosted, received=content.raw().nbytes)
            wire.send((content, ""))
            return

    def brought(self, wire: Wire, _: Hosted, key: Key) -> None:
        """Notes that the elements of a content are in its tensor at home."""
        self.contents.bring(key)
        wire.send(None)

    # ---- lost contents ---------------------------------------------------------------------------------------------

    def _there(self, wire: Wire, hosted: Hosted, key: Key) -> str | int:
        """Has a content made again if it was lost. Returns the number of its bytes, 0 if they are at home, or the host
        that has lost them and why they are gone."""
        content = self.contents.find(key)
        if content is None:
            return 0
        machine = content.hosted.machine
        why = self._make(wire, hosted, content)
        return f"{machine}, which was lost, and cannot be made again: {why}" if why else content.number

    def _make(self, wire: Wire, asking: Hosted, wanted: Content) -> str:
        """Executes recipes until a living host has ``wanted``. Returns why this is impossible; empty: it is there."""
        checked: set[Home] = set()
        while not wanted.is_here:
            with self.contents.lock:
                steps = recipes.steps_to(wanted)
                if isinstance(steps, str):
                    return steps
                needed = [source for step in steps for source in step.sources if isinstance(source, Content)]
                self.contents.pin(needed)
            try:
                why = self._missing(wire, [home for step in steps for home in step.homes if home not in checked])
                if why:
                    return why
                checked.update(home for step in steps for home in step.homes)
                for step in steps:
                    why = self._step(wire, asking, step)
                    if why:
                        return why
            finally:
                self.contents.unpin(needed)
        return ""

    def _step(self, wire: Wire, asking: Hosted, step: Recipe) -> str:
        """Executes one recipe, unless its outputs are there, or something that it needs was lost meanwhile. Returns
        why this is impossible."""
        with self._changed:
            while step.busy:
                self._changed.wait()
            if asking.lost:
                raise HostLost(asking.lost)
            outputs = [content for output in step.outputs if (content := output())]
            if all(content.is_here for content in outputs) or not step.retries:
                return ""
            step.busy = True
        try:
            return self._execute(wire, asking, step)
        finally:
            with self._changed:
                step.busy = False
                self._changed.notify_all()

    def _execute(self, wire: Wire, asking: Hosted, step: Recipe) -> str:
        host = self._hosts.host_with(step.node, step.hashid, step.patience, asking)
        if host is None:
            return f"node {step.node}, which ran callable {step.hashid}, had no host for {step.patience:.0f} s"
        contents: list[Any] = []
        for source in step.sources:
            if isinstance(source, Content):
                if not source.is_here:
                    return ""
                contents.append(source.ref)
                continue
            (content,) = _ask(wire, Wanted([source], only_whether=False))
            if content is None:
                return _changed(source)
            contents.append(content)
            self._hosts.count(host, sent=len(content))
        step.retries -= 1
        self._hosts.count(host, sent=len(step.call))
        try:
            refs = host.host.call("run", step.call, *contents, returns=1 + len(step.outputs))
            (outcome,), _ = unpacked(self._hosting.get(refs[0]))
        except ContentLost:
            step.retries += 1 if self._is_lost(one for one in step.sources if isinstance(one, Content)) else 0
            return ""
        except HostLost as error:
            self._hosts.lose(host, str(error))
            return ""
        if outcome.code != _OK:
            step.retries = 0
            error_there = unpack_exception(bytes(outcome.payload))
            return f"callable {step.hashid} failed this time: {type(error_there).__name__}: {error_there}"
        for output, ref in zip(step.outputs, refs[1:], strict=True):
            content = output()
            if content is not None:
                self.contents.made_again(content, ref, host)
        return ""

    def _is_lost(self, contents: Iterable[Content | None]) -> bool:
        """Whether one of these contents is not there any more; their hosts are asked."""
        for host in {content.hosted for content in contents if content is not None}:
            if host.lost or not self._hosts.answers(host):
                return True
        return False

    def _missing(self, wire: Wire, homes: list[Home]) -> str:
        """Why one of these inputs cannot be read again."""
        if not homes:
            return ""
        there = _ask(wire, Wanted(homes, only_whether=True))
        return next((_changed(home) for home, known in zip(homes, there, strict=True) if not known), "")


def _keys(large: list[Any], declared: list[Declared]) -> set[Key]:
    sources = [source for task in declared for source in task.sources]
    return {one for one in (*large, *sources) if isinstance(one, Key)}


def _resolved(large: list[Any], sources: dict[Key, Content | None]) -> Sequence[Any]:
    found: list[Any] = []
    for one in large:
        content = sources[one] if isinstance(one, Key) else None
        found.append(one if content is None else content.ref)
    return found


def _ask(wire: Wire, wanted: Wanted) -> list[Any]:
    wire.send(wanted)
    answer: list[Any] = wire.receive()
    return answer


def _changed(home: Home) -> str:
    _, _, _, shape, _, dtype = home.view
    sizes = " x ".join(map(str, shape))
    return f"an input of its producers, a tensor ({dtype}, {sizes}) of this machine, has other contents now"
