"""What each command of a peer does: one dispatch, from canonical commands to the runtime, the hub and replies.

Theory of operation: `obey` runs in the reader task of the connection that the command came on. Nothing here awaits an
effect: a start and a control are handed over in one step and answered by an event, or by the run when it gets to it. A
cancel finds a command handed over or not at all. A command with a request id is done once per session: its answer is
kept (`actors.requests`), and whoever repeats it is answered the same, also on another connection. What is not known
here is looked up in the journal: runs that ended before a restart are answered as all others.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final, Protocol

import attrs

from actors.errors import RunActive, UnknownRun
from actors.fitting import PAYLOAD_BYTES, fit, parts
from actors.requests import Pending, owned
from actors.runtime import ALL_RUNS, Runtime, named
from actors.sessions import Member, Sessions
from actors.standing import Standing
from protocol.errors import BadField, InvalidWorkflow
from protocol.graph import Validation
from protocol.messages import (
    Command,
    Control,
    Event,
    GetSnapshot,
    GetStatus,
    Heartbeat,
    HeartbeatReply,
    ListRuns,
    NodeInput,
    Reply,
    RunList,
    StartRefused,
    StartRun,
    Subscribe,
    SystemStatus,
    Unsubscribe,
    Validate,
    Validated,
)
from protocol.requests import run_id_of

__all__ = ["Commands", "Peer"]

LIST_ROWS: Final = 50
"""Of a list, when no limit was said."""

CONFIG_AT: Final = {"snake": "payload", "camel": "payload", "flat": "workflow"}
"""Where the config of a start stands in a message of each dialect."""


class Peer(Member, Protocol):
    """The connection that a command came on."""

    def tell(self, event: Event) -> None:
        """Send this peer alone an event, in order with its replies."""

    def beat(self) -> None:
        """It answered our heartbeat."""


@attrs.frozen(eq=False)
class Commands:
    """The dispatch of one server."""

    runtime: Runtime
    sessions: Sessions

    async def obey(self, command: Command, peer: Peer) -> None:  # noqa: ASYNC910  most commands await nothing
        """Do what a peer says.

        Raises:
            ProtocolError, ActorsError: it is answered with an error; nothing was done.
        """
        match command:
            case StartRun():
                await self._start(command, peer)
            case Control():
                await self._look_up(command)
                control = partial(self.runtime.control, owned(command, peer.session_id))
                self.once(command, control, session_id=peer.session_id, reply=peer.reply)
            case NodeInput():
                await self._look_up(command)
                answer = partial(self.runtime.input, owned(command, peer.session_id))
                self.once(command, answer, session_id=peer.session_id, reply=peer.reply)
            case Subscribe():
                await self.runtime.hub.subscribe(peer, command, run_id=await self._look_up(command))
                self.sessions.touch(peer.session_id)
            case Unsubscribe():
                self.runtime.hub.unsubscribe(peer, command, run_id=await self._look_up(command))
                self.sessions.touch(peer.session_id)
            case ListRuns():
                peer.reply(await self._list(command, peer))
            case GetSnapshot():
                run_id = await self._look_up(command)
                if run_id is None:
                    raise UnknownRun(f"{named(command)} is not known here")
                snapshot = attrs.evolve(await self.runtime.snapshot(run_id), reply_to=command.id)
                for part in parts(peer.dialect, snapshot):
                    peer.reply(part)
            case Validate():
                peer.reply(await self._validate(command, peer))
            case GetStatus():
                peer.reply(attrs.evolve(self.status(peer.session_id), reply_to=command.id))
            case Heartbeat():
                peer.beat()
                if peer.dialect.name != "flat":  # there it is the answer to ours
                    peer.reply(HeartbeatReply(workflow_id=command.workflow_id, reply_to=command.id))
            case _:
                raise AssertionError(f"no such command: {command!r}")

    def status(self, session_id: str) -> SystemStatus:
        """How the server does."""
        runtime = self.runtime
        degraded = runtime.journal.degraded
        return SystemStatus(
            status="shutting_down" if runtime.closing else "running" if degraded is None else "degraded",
            message=degraded,
            version=runtime.version,
            uptime=runtime.wall() - runtime.started_at,
            session_id=session_id,
            connections=len(self.sessions),
            runs=len(runtime.unfinished()),
        )

    def once(
        self,
        command: Command,
        act: Callable[[Callable[[Reply], None]], None],
        *,
        session_id: str,
        reply: Callable[[Reply], None],
    ) -> None:
        """Do something that is answered exactly once; the same request is done once and answered the same.

        Args:
            command: whose request id counts.
            act: does it, and calls what it is given with the answer.
            session_id: of whom the command is.
            reply: called with the answer, once.

        Raises:
            ProtocolError, ActorsError: what `act` raises; nothing was done.
        """
        if command.request_id is None:
            act(reply)
            return
        pending = self.sessions.requests.find(session_id, command.request_id)
        if pending is not None:
            if pending.run_id is not None:
                # That was answered by an event, and another command can not be.
                raise BadField([("request_id", "was used for a start already")])
            pending.ask(reply, id=command.id)
            return
        pending = self.sessions.requests.remember(session_id, command.request_id)
        pending.ask(reply, id=command.id)
        try:
            act(pending.settle)
        except BaseException:
            self.sessions.requests.forget(session_id, command.request_id)
            raise

    async def _look_up(self, command: Command) -> str | None:  # noqa: ASYNC910  what is known is not waited for
        """The run that a command is about; None: no such run, or all of them."""
        if command.workflow_id in {"", ALL_RUNS} and command.run_id is None:
            return None  # noqa: ASYNC910  ditto
        return await self.runtime.look_up(command.workflow_id, command.run_id)

    async def _list(self, command: ListRuns, peer: Peer) -> RunList:
        """As many rows as were asked for, unless only fewer fit into a frame."""
        rows = LIST_ROWS if command.limit is None else command.limit
        while True:
            page = await self.runtime.list_runs(
                status=command.status, workflow_id=command.workflow_id or None, limit=rows, cursor=command.cursor
            )
            listed = RunList(
                workflow_id=command.workflow_id,
                reply_to=command.id,
                runs=tuple(page.runs),
                next_cursor=page.next_cursor,
            )
            if len(page.runs) <= 1 or len(fit(listed, peer.dialect.encode)) <= PAYLOAD_BYTES:
                return listed
            rows = len(page.runs) // 2

    async def _validate(self, command: Validate, peer: Peer) -> Validated:
        found = await self.runtime.validate(command.graph, needs_start=_needs_start(command, peer))
        return Validated(
            workflow_id=command.workflow_id,
            reply_to=command.id,
            ok=not found.errors,
            errors=found.errors,
            warnings=found.warnings,
        )

    async def _start(self, command: StartRun, peer: Peer) -> None:  # noqa: ASYNC910  a small graph is checked at once
        run_id = None
        requests = self.sessions.requests
        if command.request_id is not None:
            run_id = run_id_of(peer.session_id, command.request_id)
            there = await self.runtime.look_up(command.workflow_id, run_id)
            known = requests.find(peer.session_id, command.request_id)
            if known is None and there is not None:
                # Asked so long ago that the table forgot, or of another process; but the run is there.
                known = requests.remember(peer.session_id, command.request_id)
                known.run_id = run_id
            if known is not None:
                await self._start_again(command, peer, known)
                return
        with _config_at(peer):
            self.runtime.admit(command.workflow_id)
            found = await self.runtime.validate(
                command.graph, config=command.config, needs_start=_needs_start(command, peer)
            )
        # From here to the submit nothing is awaited: two of the same are one after the other.
        known = requests.find(peer.session_id, command.request_id) if command.request_id is not None else None
        if known is not None:
            await self._start_again(command, peer, known)
            return
        refused: StartRefused | None = None
        try:
            with _config_at(peer):
                self._submit(command, peer, run_id, found)
        except InvalidWorkflow as error:
            # The same graph is told the same again; its problems are too many to be kept with the request id.
            refusal = StartRefused(
                workflow_id=command.workflow_id,
                reply_to=command.id,
                code=error.code,
                error=str(error),
                problems=error.problems,
            )
            peer.reply(refusal)
            return  # noqa: ASYNC910  ditto
        except RunActive as error:
            refused = _active(command, error)
        self.sessions.touch(peer.session_id)
        if command.request_id is not None:
            pending = requests.remember(peer.session_id, command.request_id)
            pending.asked_by(peer)
            pending.reply, pending.run_id = refused, None if refused else run_id
        if refused is not None:
            await self._refuse(command, peer, refused)

    def _submit(self, command: StartRun, peer: Peer, run_id: str | None, found: Validation) -> None:
        self.runtime.submit(
            command.graph,
            workflow_id=command.workflow_id,
            config=command.config,
            run_id=run_id,
            needs_start=_needs_start(command, peer),
            found=found,
            starter=peer.session_id,
            # From its first event on, before anyone else can have seen one.
            before=lambda run: self.runtime.hub.watch(peer, run.id),
            refused=partial(self._refuse_late, command, peer.session_id),
        )

    def _refuse_late(self, command: StartRun, session_id: str, error: RunActive) -> None:
        """Only the journal knew of the run that stands in the way. Told to whoever speaks for the session now."""
        refused = _active(command, error)
        if command.request_id is not None:
            pending = self.sessions.requests.remember(session_id, command.request_id)
            pending.settle(refused)
        peer = self.sessions.newest(session_id)
        if peer is not None:
            peer.reply(refused)
            self.runtime.hub.resume(peer, Standing.before(error.run_id, at=self.runtime.wall()))

    async def _refuse(self, command: StartRun, peer: Peer, refused: StartRefused) -> None:  # noqa: ASYNC910  ditto
        """A client that comes back to its run by starting it again is told so, and hears it all the same."""
        peer.reply(refused)
        if refused.run_id is not None:
            await self._hear(refused.run_id, command, peer)

    async def _start_again(self, command: StartRun, peer: Peer, known: Pending) -> None:  # noqa: ASYNC910  ditto
        """The same start once more: its first event again, or the same refusal."""
        if isinstance(known.reply, StartRefused):
            await self._refuse(command, peer, attrs.evolve(known.reply, reply_to=command.id))
        elif known.reply is not None or known.run_id is None:
            known.ask(peer.reply, id=command.id)  # the id was used for another command; it is answered as that was
        elif known.asked_by(peer):
            # It hears the run already. If the first event is not durable yet, it is still to come.
            await self._tell_first(known.run_id, peer)
        elif self.runtime.hub.position(peer, known.run_id):
            # It came back and goes on where it was, behind the first event.
            await self._tell_first(known.run_id, peer)
        else:
            await self._hear(known.run_id, command, peer)

    async def _tell_first(self, run_id: str, peer: Peer) -> None:
        page = await self.runtime.journal.load(run_id, 0, 1)
        for event in page.events:
            peer.tell(event)

    async def _hear(self, run_id: str, command: StartRun, peer: Peer) -> None:
        subscribe = Subscribe(id=command.id, workflow_id=command.workflow_id, run_id=run_id, after_seq=0)
        await self.runtime.hub.subscribe(peer, subscribe, run_id=run_id, quiet=True)
        self.sessions.touch(peer.session_id)


@contextmanager
def _config_at(peer: Peer) -> Iterator[None]:
    """The runtime reads the config of a start; where it stood in the message is known here."""
    try:
        yield
    except BadField as error:
        at = CONFIG_AT[peer.dialect.name]
        raise BadField([(f"{at}.{path}", text) for path, text in error.faults]) from None


def _active(command: StartRun, error: RunActive) -> StartRefused:
    return StartRefused(
        workflow_id=command.workflow_id,
        reply_to=command.id,
        code=error.code,
        error=str(error),
        run_id=error.run_id,
    )


def _needs_start(command: StartRun | Validate, peer: Peer) -> bool:
    """The flat dialect's origin knows no start kind: its graphs begin where nothing leads in, whoever sends one."""
    return peer.dialect.name != "flat" and "connections" not in command.graph
