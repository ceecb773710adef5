"""The session table of one server: who is connected under which id, and how their request ids were answered.

Theory of operation: the server owns the table; every step on it is synchronous, so no cancel finds it halfway. A
session is there while a connection of it is. A second connection with its id takes it over: the older one is closed.
Two windows with one fixed id would evict each other for ever, so after three takeovers within half a minute nobody is
closed any more; they share the session until the last of them has left.

Request ids outlive the connection that sent them, by ten minutes, so that a client which lost its connection before it
heard the answer may ask again. There are 100,000 of them at most over all sessions; full means that the oldest are
forgotten, and a command that comes once more after that is a new one (a start is not: its run id is derived from the
request, so the journal knows it).
"""

import secrets
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final, Protocol, TypeVar

import attrs
import trio

from actors.errors import Busy
from actors.subscription import Outlet
from protocol.messages import Command, Json, Reply
from protocol.requests import request_key

__all__ = ["ConnectionStatistics", "Member", "Pending", "Sessions", "new_session_id", "owned"]

C = TypeVar("C", bound=Command)

TAKEOVERS: Final = 3
TAKEOVER_WINDOW_S: Final = 30.0
"""So many takeovers within so long mean two windows with one id, not one that came back."""

REQUEST_MEMORY_S: Final = 600.0
MAX_REQUESTS: Final = 100_000
MAX_WAITING: Final = 64
"""Repetitions of one command that may wait for its answer."""

FORGETTABLE: Final = frozenset({"busy", "shutting_down"})
"""Codes of answers that say: not done, try again. The same request id may."""


@attrs.frozen(kw_only=True)
class ConnectionStatistics:
    """How a connection does: one row of `GET /api/connections`. Sizes in bytes."""

    session_id: str
    connected_at: float
    """Seconds since the epoch."""
    last_heartbeat: float | None
    """The last answer to a heartbeat, or pong, in seconds since the epoch."""
    client_info: Json
    dialect: str | None
    """None: undecided."""
    rtt: float | None
    """Of the last ping, in seconds."""
    sent: int
    received: int
    queued: int


class Member(Outlet, Protocol):
    """A connection as the rest of the server sees it. Every method is one synchronous step."""

    def replaced(self) -> None:
        """Another connection took over: close."""

    def go_away(self) -> None:
        """The server ends: say so and close."""

    def statistics(self) -> ConnectionStatistics:
        """How it does."""
        ...


@attrs.define(eq=False)
class Pending:
    """One request id of one session: its answer, or who waits for it."""

    at: float
    run_id: str | None = None
    """Of a start that was accepted: its first event is the answer."""
    _asker: "weakref.ref[object] | None" = None
    reply: Reply | None = None
    _waiting: list[tuple[Callable[[Reply], None], str]] = attrs.field(factory=list)

    def asked_by(self, asker: object) -> bool:
        """Whether a start was answered to this connection last; from now on it is."""
        before = self._asker() if self._asker is not None else None
        self._asker = weakref.ref(asker)
        return before is asker

    def settle(self, reply: Reply) -> None:
        """The answer is there: everyone who waits gets it, each in answer to its own command."""
        self.reply = reply
        waiting, self._waiting = self._waiting, []
        for answer, id_ in waiting:
            answer(attrs.evolve(reply, reply_to=id_))

    def ask(self, answer: Callable[[Reply], None], *, id: str) -> None:
        """Get the answer, now or when it is there.

        Args:
            answer: called once.
            id: of the command that asks.

        Raises:
            Busy: too many wait for it already.
        """
        if self.reply is not None:
            answer(attrs.evolve(self.reply, reply_to=id))
        elif len(self._waiting) < MAX_WAITING:
            self._waiting.append((answer, id))
        else:
            raise Busy(f"{MAX_WAITING} repetitions of this request wait for its answer already")

    @property
    def forgettable(self) -> bool:
        """Whether its answer was only that it was not done."""
        return getattr(self.reply, "code", None) in FORGETTABLE


@attrs.define(eq=False)
class _Session:
    members: list[Member] = attrs.field(factory=list)
    takeovers: list[float] = attrs.field(factory=list)
    """When the latest were."""
    shared: bool = False


class Sessions:
    """The table."""

    def __init__(self) -> None:
        self._ended = False
        self._sessions: dict[str, _Session] = {}
        self._requests: OrderedDict[tuple[str, str], Pending] = OrderedDict()

    def __iter__(self) -> Iterator[Member]:
        """Every connection, in no particular order; the table may change meanwhile."""
        return iter([member for session in self._sessions.values() for member in session.members])

    def __len__(self) -> int:
        return sum(len(session.members) for session in self._sessions.values())

    def newest(self, session_id: str) -> Member | None:
        """The connection of a session that came last, if there is one."""
        session = self._sessions.get(session_id)
        return session.members[-1] if session is not None else None

    def join(self, member: Member) -> None:
        """A connection came; who is in its place is closed, or shares it."""
        session = self._sessions.setdefault(member.session_id, _Session())
        older, now = list(session.members), trio.current_time()
        session.members.append(member)
        if self._ended:
            member.go_away()
        if not older or session.shared:
            return
        takeovers = session.takeovers
        if len(takeovers) == TAKEOVERS and now - takeovers[0] <= TAKEOVER_WINDOW_S:
            session.shared = True
            return
        session.takeovers = [*takeovers, now][-TAKEOVERS:]
        for replaced in older:
            replaced.replaced()

    def end(self) -> None:
        """The server ends: every connection is told, and so is one that comes while they go."""
        self._ended = True
        for member in self:
            member.go_away()

    def leave(self, member: Member) -> None:
        """A connection is gone. Idempotent."""
        session = self._sessions.get(member.session_id)
        if session is not None and member in session.members:
            session.members.remove(member)
            if not session.members:
                del self._sessions[member.session_id]

    def request(self, session_id: str, request_id: str) -> Pending | None:
        """What is known of a request id."""
        self._forget()
        pending = self._requests.get((session_id, request_id))
        return pending if pending is not None and not pending.forgettable else None

    def remember(self, session_id: str, request_id: str) -> Pending:
        """A new request: from now on the same id is the same request."""
        self._forget()
        # A forgettable one of the same id is replaced, and stands at the end of the order of time.
        self._requests.pop((session_id, request_id), None)
        pending = self._requests[session_id, request_id] = Pending(at=trio.current_time())
        return pending

    def forget(self, session_id: str, request_id: str) -> None:
        """It was not done after all; the same id may be tried again."""
        self._requests.pop((session_id, request_id), None)

    def _forget(self) -> None:
        requests, oldest = self._requests, trio.current_time() - REQUEST_MEMORY_S
        while requests and (len(requests) >= MAX_REQUESTS or next(iter(requests.values())).at < oldest):
            requests.popitem(last=False)


def new_session_id() -> str:
    """For a peer that names none. Whoever knows a session's id may take it over, so it cannot be guessed."""
    return secrets.token_urlsafe(12)


def owned(command: C, session_id: str) -> C:
    """A command as a run is told it: its request id is that of one session, for request ids of two are not the same."""
    if command.request_id is None:
        return command
    return attrs.evolve(command, request_id=request_key(session_id, command.request_id))
