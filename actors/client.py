"""The Python client: starts, watches and steers runs on a server, whatever happens to the connection in between.

    async with connect("ws://127.0.0.1:8765") as client:
        run = await client.start(workflow)
        async for event in run:
            ...

Theory of operation. `connect` opens a nursery around its block and in it one task, the client: one link after another,
each made, used up and thrown away (`actors.link`), with a pause in between that grows. Reconnecting is connecting:
whenever a link is up, everything that has no answer yet is asked again, in order (`actors.asking`), and every run that
is followed is subscribed again behind the newest event that its user will get (`actors.following`). So nothing depends
on what a server remembers of a connection: commands that do something carry a request id, and are done once in the
client's session; the id of a new run follows from its request, so its events are known from the first one on.

The link's reader task hands each frame to `_hear`, which only awaits to be fair: a run whose user is slow is left
behind alone (`actors.feed`), but a user who takes events as fast as the loop lets it is waited for.

*Its end*: leaving the block closes the link in good order; a server that refuses, or `max_attempts`, ends it too. Then
whoever waits is told why, and so is everybody who asks later; what had come already can still be taken. The task is
shielded, so a cancel of the block reaches the user first and the goodbye second; that takes `link.CLOSE_S` at most.

Results beyond 256 KiB are `{"$ref": path}` on the wire, and stay so: `GET` that path to have the whole.
"""

import logging
import random
import secrets
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from functools import partial
from typing import Final, TypeVar

import attrs
import trio

from actors.asking import Asking
from actors.errors import CommandRefused, ServerRefused, ServerUnreachable
from actors.feed import let_take
from actors.following import Following
from actors.link import TOO_LARGE, Address, Dial, Link, Parting
from actors.remote import RemoteRun
from protocol.dialects import DIALECTS
from protocol.errors import ProtocolError
from protocol.messages import (
    Command,
    ErrorReply,
    Event,
    GetSnapshot,
    GetStatus,
    Json,
    ListRuns,
    Progress,
    Reply,
    RunList,
    Snapshot,
    StartRun,
    SystemStatus,
    Validate,
    Validated,
)
from protocol.states import RunStatus

__all__ = ["Client", "ClientState", "ClientStatistics", "RemoteRun", "connect"]

FIRST_DELAY_S: Final = 0.01
LAST_DELAY_S: Final = 5.0
"""Between two attempts: doubled each time, and then cut by up to a half, so that clients do not come all at once."""

SNAKE: Final = DIALECTS["snake"]

R = TypeVar("R", bound=Reply)

logger = logging.getLogger(__name__)


class ClientState(Enum):
    """How a client stands with its server."""

    CONNECTING = "connecting"
    """It was never connected yet."""
    REPLAYING = "replaying"
    """It is connected, and events that it missed are still to come."""
    LIVE = "live"
    """What happens is heard at once."""
    AWAY = "away"
    """The connection was lost; it tries to come back. Commands are kept."""
    CLOSED = "closed"
    """Its block was left, or it has given up: the errors of its methods say why."""


@attrs.frozen(kw_only=True)
class ClientStatistics:
    """What a client did so far, and what waits in it."""

    attempts: int
    """To connect."""
    links: int
    """Attempts that succeeded."""
    commands: int
    """Without an answer now."""
    followed: int
    """Runs, now."""
    events: int
    """Heard, those that came twice included."""


@asynccontextmanager
async def connect(
    url: str,
    *,
    token: str | None = None,
    session_id: str | None = None,
    max_attempts: int | None = None,
    ssl_context: ssl.SSLContext | None = None,
    dial: Dial | None = None,
    wall: Callable[[], float] = time.time,
) -> "AsyncIterator[Client]":
    """A client of a server, until the block is left. Does not wait for the connection.

    Args:
        url: `ws://HOST:PORT`, `wss:`, or the same as `http:` or `https:`.
        token: what the server wants to be told, if it does.
        session_id: makes requests of this client those of an earlier one; None: one that nobody can guess. Two clients
            at the same time with one id take turns in refusing each other.
        max_attempts: give up after so many in a row on which nothing was heard; None: never.
        ssl_context: for `wss:`; None: the system's certificates.
        dial: reaches the server some other way: a Unix socket, a proxy, a stream in memory.
        wall: the time, seconds since the epoch.

    *Resource handling*: leaving the block closes the connection; runs go on without it.

    Raises:
        ValueError: the URL is none.
    """
    session_id = session_id or secrets.token_urlsafe(12)
    address = Address.of(url, session_id=session_id)
    client = Client(
        partial(Link, address, dial=dial or partial(address.dial, ssl_context), token=token),
        session_id=session_id,
        max_attempts=max_attempts,
        name=address.name,
        wall=wall,
    )
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.live, name=f"client {session_id}")
        try:
            yield client
        except Exception as error:  # noqa: BLE001  kept, not swallowed
            # Raised below, outside of the nursery: that is ours, so the user's error is not to come in its group.
            failure = error
        finally:
            client.close()
    if failure is not None:
        raise failure


class Client:
    """A connection that is made again whenever it is lost; see the theory of operation above. Made by `connect`."""

    def __init__(
        self,
        link: "partial[Link]",
        *,
        session_id: str,
        max_attempts: int | None,
        name: str,
        wall: Callable[[], float],
    ) -> None:
        self.session_id = session_id
        self._make_link = link
        self._max_attempts = max_attempts
        self._name = name
        self._state = ClientState.CONNECTING
        self._changed = trio.lowlevel.ParkingLot()
        self._closing = trio.Event()
        self._over: Callable[[], Exception] | None = None
        """Makes the error that says why nothing can be asked any more."""
        self._link: Link | None = None
        """The present one, up or not."""
        self._up = False
        self._hold = 0.0
        """Seconds that the next attempt has to wait at least."""
        self._attempts = self._links = self._events = 0
        self._failures = 0
        """Attempts in a row on which nothing was heard, the present one included."""
        self._asking = Asking(session_id, post=self._post, wall=wall)
        self._following = Following(self._asking, post=self._post)

    # For its user.

    @property
    def state(self) -> ClientState:
        """How it stands with its server now."""
        return self._state

    async def states(self) -> AsyncGenerator[ClientState, None]:  # noqa: ASYNC911  it parks, or does what is one step
        """The state now, and then each new one; ends after `CLOSED`. Who is slow misses those in between."""
        seen: ClientState | None = None
        while seen is not ClientState.CLOSED:
            if self._state is seen:
                await self._changed.park()
            else:
                await trio.lowlevel.checkpoint()
            if self._state is not seen:
                seen = self._state
                yield seen  # noqa: ASYNC119  nothing is held here

    async def wait_for(self, *states: ClientState) -> ClientState:
        """Wait until it is in one of these states; says in which.

        Raises:
            ServerRefused, ServerUnreachable, trio.ClosedResourceError: it is over before.
        """
        await trio.lowlevel.checkpoint()
        while self._state not in states:
            self.check()
            await self._changed.park()
        return self._state

    async def start(
        self, workflow: Mapping[str, Json], *, config: Mapping[str, Json] | None = None, workflow_id: str = ""
    ) -> RemoteRun:
        """Start a run; returns when the server has it for sure.

        Args:
            workflow: `{"nodes": […], "edges": […]}`.
            config: the ExecutionConfig.
            workflow_id: the client's own key; "" has one made.

        Raises:
            InvalidWorkflow: the graph has problems; all of them are in it.
            RunActive: the workflow has an unfinished run; `client.run(run_id=error.run_id)` follows it.
            Busy: too many commands wait here, or too many runs are unfinished there.
            ShuttingDown: the server ends.
            CommandRefused: for any other reason, e.g. `bad_field` of the config.
            ServerRefused, ServerUnreachable, trio.ClosedResourceError: the client is over.
        """
        self.check()
        command = self._asking.numbered(StartRun(graph=workflow, config=config or {}, workflow_id=workflow_id))
        run = RemoteRun(self, run_id=self._asking.run_id(command), workflow_id=workflow_id)
        self._following.expect(run)
        try:
            await self._asking.ask(command)
        except BaseException:
            self.leave(run)
            raise
        return run

    def run(self, *, run_id: str | None = None, workflow_id: str | None = None, after: int = 0) -> RemoteRun:
        """A run that somebody has started, or will; nothing is asked of the server before it is used.

        Args:
            run_id: which run.
            workflow_id: instead: the latest run of this workflow, or its next one if there is none.
            after: of a run that is named: the newest seq that was seen already.

        Raises:
            ValueError: neither or both of the ids are given, or a position without a run.
        """
        if bool(run_id) == bool(workflow_id) or after < 0 or (after and not run_id):
            raise ValueError("name a run, perhaps with `after`, or else a workflow")
        return RemoteRun(self, run_id=run_id or None, workflow_id=workflow_id or "", after=after)

    async def list_runs(
        self,
        *,
        status: RunStatus | None = None,
        workflow_id: str = "",
        limit: int | None = None,
        cursor: str | None = None,
    ) -> RunList:
        """A page of runs, newest first. Raises what `status` raises.

        Args:
            status: only those in this state.
            workflow_id: only those of this workflow.
            limit: rows at most.
            cursor: `next_cursor` of the page before.
        """
        command = ListRuns(status=status, workflow_id=workflow_id, limit=limit, cursor=cursor)
        return await self.ask(command, RunList)

    async def snapshot(self, *, run_id: str | None = None, workflow_id: str = "") -> Snapshot:
        """The state of a run, or of the latest one of a workflow; whole, however large. Raises what `status` raises.

        Raises:
            UnknownRun: there is none.
        """
        return await self.ask(GetSnapshot(run_id=run_id, workflow_id=workflow_id), Snapshot)

    async def validate(self, workflow: Mapping[str, Json]) -> Validated:
        """What is wrong with a graph, without starting it. Raises what `status` raises."""
        return await self.ask(Validate(graph=workflow), Validated)

    async def status(self) -> SystemStatus:
        """How the server does.

        Raises:
            Busy: too many commands wait.
            CommandRefused: the server did not do it.
            ServerRefused, ServerUnreachable, trio.ClosedResourceError: the client is over.
        """
        return await self.ask(GetStatus(), SystemStatus)

    def statistics(self) -> ClientStatistics:
        """What it did so far."""
        return ClientStatistics(
            attempts=self._attempts,
            links=self._links,
            commands=len(self._asking),
            followed=len(self._following),
            events=self._events,
        )

    # For its runs.

    def check(self) -> None:
        """Raise why it is over, if it is."""
        if self._over is not None:
            raise self._over()

    def follow(self, run: RemoteRun) -> None:
        """Have the server send what follows the newest event of a run, from now on and after each reconnect."""
        if self._over is None:
            self._following.follow(run)

    def leave(self, run: RemoteRun) -> None:
        """Follow it no more. Idempotent."""
        self._following.leave(run)
        self._settle_down()

    async def ask(self, command: Command, answer: type[R]) -> R:
        """Send a command, now or when the server is there, and wait for its answer. A cancel drops the answer only."""
        self.check()
        reply = await self._asking.ask(self._asking.numbered(command))
        if not isinstance(reply, answer):
            raise CommandRefused(f"the server answered {reply!r}")
        return reply

    # Its life.

    def close(self) -> None:
        """End it. Idempotent."""
        self._closing.set()
        if self._link is not None:
            self._link.close()

    async def live(self) -> None:  # noqa: ASYNC910  each link awaits
        """The actor: one link after another, until it is closed or gives up."""
        over: Callable[[], Exception] = partial(trio.ClosedResourceError, "the client was closed")
        try:
            with trio.CancelScope(shield=True):  # noqa: ASYNC912  ditto
                while not self._closing.is_set():
                    self._attempts += 1
                    self._failures += 1
                    self._link = self._make_link()
                    began = trio.current_time()
                    parting = await self._link.live(up=self._joined, hear=self._hear)
                    if trio.current_time() - began > LAST_DELAY_S and self._up:
                        self._failures = 0
                    self._parted(parting)
                    if self._closing.is_set():
                        break
                    if (end := self._verdict(parting)) is not None:
                        over = end
                        break
                    with trio.move_on_after(self._delay()):
                        await self._closing.wait()
        finally:
            self._end(over)

    def _joined(self, link: Link) -> None:
        """A link is up: everything that is open is said again."""
        self._links += 1
        self._up = True
        self._asking.post_all()
        self._following.follow_all()
        self._change(ClientState.REPLAYING)
        self._settle_down()

    def _parted(self, parting: Parting) -> None:
        self._link, self._up = None, False
        if self._state is not ClientState.CONNECTING:
            self._change(ClientState.AWAY)
        if not self._closing.is_set():
            logger.info("away from %s: %s (%d)", self._name, parting.text, parting.status or parting.code)
        if parting.code == TOO_LARGE:
            self._asking.refuse_largest(parting.text)

    def _post(self, text: bytes) -> None:
        """Send it if there is a link; else it is said when there is."""
        if self._up and self._link is not None:
            self._link.post(text)

    def _verdict(self, parting: Parting) -> Callable[[], Exception] | None:
        """Why not to try again."""
        if parting.final:
            return partial(ServerRefused, f"{self._name}: {parting.text}", reason=parting.status or parting.code)
        if self._max_attempts is not None and self._failures >= self._max_attempts:
            return partial(ServerUnreachable, f"{self._name}: {parting.text} ({self._failures} attempts)")
        return None

    def _delay(self) -> float:
        """Until the next attempt, in seconds."""
        doubled = FIRST_DELAY_S * 2.0 ** min(max(self._failures - 1, 0), 30)
        hold, self._hold = self._hold, 0.0
        return max(hold, min(LAST_DELAY_S, doubled) * random.uniform(0.5, 1.0))

    def _end(self, over: Callable[[], Exception]) -> None:
        """Whoever waits is told, and everybody who comes later."""
        self._over = over
        self._asking.end(over)
        for run in self._following.all():
            run.wake()
        self._change(ClientState.CLOSED)

    def _change(self, state: ClientState) -> None:
        if state is not self._state:
            self._state = state
            self._changed.unpark_all()

    def _settle_down(self) -> None:
        """What was missed has come: from now on it is live."""
        if self._state is ClientState.REPLAYING and not self._following.behind:
            self._change(ClientState.LIVE)

    async def _hear(self, frame: Sequence[Json]) -> None:
        """The messages of one frame. Called by the link's reader."""
        heard: dict[RemoteRun, None] = {}
        self._failures = 0
        for message in frame:
            try:
                said = SNAKE.read(message)
            except (ProtocolError, AttributeError):
                logger.exception("a message of %s can not be read", self._name)
                continue
            match said:
                case Event():
                    self._events += 1
                    heard.update(dict.fromkeys(self._following.hear_event(said)))
                    self._asking.hear_event(said)
                case Progress():
                    self._following.hear_progress(said)
                case Reply() if not (self._asking.hear(said) or self._following.hear(said)):
                    self._start_over(said)
        self._settle_down()
        await let_take([run.feed for run in heard if run.feed.crowded])

    def _start_over(self, reply: Reply) -> None:
        """The server tells of something that went wrong, and not what of ours that was: begin again, a little later."""
        if isinstance(reply, ErrorReply) and self._link is not None:
            self._hold = LAST_DELAY_S
            self._link.cut(f"{reply.code}: {reply.message}")
