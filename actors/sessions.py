"""The session table of one server: who is connected under which id, and what is kept of a peer that is away.

Theory of operation: the server owns the table; every step on it is synchronous, so no cancel finds it halfway. A
session is there while a connection of it is, and `window` seconds longer: dialect, reply numbers, and the *standing*
of the connection that went (`actors.standing`), with which the hub lets the next connection of that id go on. Then it
expires, and whoever asked to know (`expired`) is told.

*Takeover.* A second connection with an id closes the older one and goes on from its standing: the peer came back before
its old connection was found dead. Two windows with one fixed id would evict each other for ever, so after three
takeovers within half a minute nobody is closed any more: they share the session until it expires, each with a place of
its own. Which of them comes back can not be known, so whoever does gets the lowest position of those that are away,
until all of them may be back or the window of each is over.

*Bounds.* As many sessions are kept as connections are allowed; full means that the one that went first expires early. A
standing that is too large to be kept is not, and its session comes back as a new one.

*Written down.* The ids of sessions that changed collect in `changed` and `moved`, if there is a journal for them, and
`actors.keeper` takes them from there. What `pack` gives of a session may be old when it is read again: positions are
too low then, at worst.
"""

import math
import secrets
from collections.abc import Callable, Iterator
from functools import reduce
from operator import or_
from typing import Final, Protocol

import attrs
import trio

from actors.hub import Hub
from actors.requests import Requests
from actors.standing import Standing
from actors.subscription import Outlet
from protocol.dialects.text import dumps, loads
from protocol.errors import BadJson
from protocol.messages import Json
from protocol.session import Session

__all__ = ["ConnectionStatistics", "Member", "Sessions", "new_session_id"]

TAKEOVERS: Final = 3
TAKEOVER_WINDOW_S: Final = 30.0
"""So many takeovers within so long mean two windows with one id, not one that came back."""

STANDING_BYTES: Final = 256 * 2**10
"""Of one peer that is away, as JSON: some 5,000 runs."""

MAX_AWAY: Final = 8
"""Windows that share one id and are away at a time; beyond that the one that went first is forgotten."""


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

    @property
    def session(self) -> Session:
        """Its conversation."""
        ...

    def replaced(self) -> None:
        """Another connection took over: close."""

    def go_away(self) -> None:
        """The server ends: say so and close."""

    def tell_status(self) -> None:
        """The server does worse than before, or well again: say so."""

    def statistics(self) -> ConnectionStatistics:
        """How it does."""
        ...


@attrs.define(eq=False)
class _Session:
    members: list[Member] = attrs.field(factory=list)
    """In the order in which they came."""
    takeovers: list[float] = attrs.field(factory=list)
    """When the latest were."""
    shared: bool = False
    dialect: str | None = None
    replies: int = 0
    """How many were said."""
    away: list[tuple[Standing, float]] = attrs.field(factory=list)
    """Peers that are away, and until when they are waited for."""
    back: int = 0
    """How many of them may be back."""
    until: float = math.inf
    """When it expires; infinity while somebody is connected."""

    def leave(self, standing: Standing | None, *, until: float) -> None:
        """A peer is away from now on."""
        if standing is not None and len(dumps(standing.pack())) <= STANDING_BYTES:
            self.away = [*self.away, (standing, until)][-MAX_AWAY:]

    def take(self) -> Standing | None:
        """With what the next peer goes on: with nothing less than any that is away."""
        now = trio.current_time()
        self.away = [(standing, until) for standing, until in self.away if until > now]
        if not self.away:
            self.back = 0
            return None
        standing = self.standing()
        self.back += 1
        if self.back >= len(self.away):
            self.away, self.back = [], 0
        return standing

    def standing(self) -> Standing | None:
        """Of all that are away."""
        return reduce(or_, (standing for standing, _ in self.away)) if self.away else None


class Sessions:
    """The table.

    Args:
        hub: knows what each connection hears, and how far it is.
        window: seconds that a session outlives its last connection.
        limit: sessions without a connection at a time.
        journaled: whether changes collect in `changed` and `moved`, for somebody who takes them from there.
        expired: called with the id of each session that ends.
    """

    def __init__(
        self,
        hub: Hub,
        *,
        window: float,
        limit: int,
        journaled: bool,
        expired: Callable[[str], None],
    ) -> None:
        self.requests = Requests()
        self.changed: dict[str, None] = {}
        """Sessions that hear other runs than was written down, or are over."""
        self.moved: dict[str, None] = {}
        """Sessions that got further."""
        self._hub = hub
        self._window = window
        self._limit = limit
        self._journaled = journaled
        self._expired = expired
        self._ended = False
        self._sessions: dict[str, _Session] = {}
        self._detached: dict[str, _Session] = {}
        """Those without a connection, in the order in which they expire."""
        self._bell = trio.lowlevel.ParkingLot()

    def __iter__(self) -> Iterator[Member]:
        """Every connection, in no particular order; the table may change meanwhile."""
        return iter([member for session in self._sessions.values() for member in session.members])

    def __len__(self) -> int:
        """How many connections there are."""
        return sum(len(session.members) for session in self._sessions.values())

    @property
    def detached(self) -> int:
        """How many sessions have no connection, and wait for one."""
        return len(self._detached)

    def newest(self, session_id: str) -> Member | None:
        """The connection of a session that came last, if there is one."""
        session = self._sessions.get(session_id)
        return session.members[-1] if session is not None and session.members else None

    def known(self, session_id: str) -> bool:
        """Whether a connection with this id goes on with something."""
        return session_id in self._sessions

    def dialect(self, session_id: str) -> str | None:
        """What a session spoke before."""
        session = self._sessions.get(session_id)
        if session is None:
            return None
        spoken = [member.session.dialect for member in session.members if member.session.dialect is not None]
        return spoken[-1].name if spoken else session.dialect

    def replies(self, session_id: str) -> int:
        """How many replies a session got before; their ids go on from there."""
        session = self._sessions.get(session_id)
        if session is None:
            return 0
        return max(session.replies, *(member.session.replies for member in session.members), 0)

    def join(self, member: Member) -> None:
        """A connection came: it goes on where the session was. Who is in its place is closed, or shares it."""
        session_id, until = member.session_id, trio.current_time() + self._window
        session = self._sessions.setdefault(session_id, _Session())
        self._detached.pop(session_id, None)
        session.until = math.inf
        older = list(session.members)
        if older and not session.shared:
            self._take_over(session)
        if not session.shared:
            for replaced in older:
                session.leave(self._hub.standing(replaced), until=until)
                self._hub.drop(replaced)
                replaced.replaced()
        session.members.append(member)
        if session.shared and older and not session.away:
            self._go_on(member, self._hub.standing(older[-1]))
        else:
            self.decided(member)
        if self._ended:
            member.go_away()

    def decided(self, member: Member) -> None:
        """A connection speaks a dialect: so it can be told what its session missed."""
        session = self._sessions.get(member.session_id)
        if session is not None and member.session.dialect is not None:
            self._go_on(member, session.take())

    def end(self) -> None:
        """The server ends: every connection is told, and so is one that comes while they go."""
        self._ended = True
        for member in self:
            member.go_away()

    def leave(self, member: Member) -> None:
        """A connection is gone, and the hub knows it no more. Idempotent."""
        session, standing = self._sessions.get(member.session_id), self._hub.standing(member)
        self._hub.drop(member)
        if session is None or member not in session.members:
            return
        session.members.remove(member)
        if member.session.dialect is not None:
            session.dialect = member.session.dialect.name
        session.replies = max(session.replies, member.session.replies)
        if session.members and not session.shared:
            # What it still did while it was being replaced is its successor's.
            self._go_on(session.members[-1], standing)
        else:
            session.leave(standing, until=trio.current_time() + self._window)
        if not session.members:
            self._detach(member.session_id, session)
        self.touch(member.session_id)

    def touch(self, session_id: str) -> None:
        """What a session hears has changed."""
        if self._journaled and session_id not in self.changed:
            self.changed[session_id] = None
            self._bell.unpark_all()

    def move(self, session_id: str) -> None:
        """A session's peer is known to have got further."""
        if self._journaled and session_id not in self.moved:
            self.moved[session_id] = None
            self._bell.unpark_all()

    async def wait(self) -> None:
        """Wait until something is to be written down, or a session lost its last connection. For the keeper."""
        await self._bell.park()

    @property
    def due(self) -> float:
        """When the next session expires, on trio's clock."""
        return next((session.until for session in self._detached.values()), math.inf)

    def expire(self) -> None:
        """End the sessions whose time is over."""
        while self.due <= trio.current_time():
            self._end_first()

    def pack(self, session_id: str) -> bytes | None:
        """A session as it can be written down; None: it hears no run that goes on, or it is over."""
        session, dialect = self._sessions.get(session_id), self.dialect(session_id)
        if session is None or dialect is None:
            return None
        present = (self._hub.standing(member) for member in session.members)
        standings = [each for each in (session.standing(), *present) if each is not None]
        if not any(standing.positions for standing in standings):
            return None
        body = {
            "dialect": dialect,
            "replies": self.replies(session_id),
            "standing": reduce(or_, standings).pack(),
        }
        return dumps(body)

    def restore(self, session_id: str, body: bytes) -> bool:
        """Wait for a session that another process wrote down, from now on as long as for any.

        Returns:
            False: it can not be read.
        """
        try:
            packed = loads(body)
            standing = Standing.unpack(packed["standing"])
            session = _Session(dialect=packed["dialect"], replies=packed["replies"])
        except (BadJson, KeyError, TypeError, ValueError):
            return False
        session.leave(standing, until=trio.current_time() + self._window)
        self._sessions[session_id] = session
        self._detach(session_id, session)
        return True

    def expect(self, session_id: str, run_id: str, *, began: float) -> None:
        """Wait for the starter of a run that another process left, even if that died before it wrote the session down.

        Args:
            session_id: of the starter.
            run_id: the run.
            began: when it was started, seconds since the epoch.
        """
        session = self._sessions.get(session_id)
        if session is None:
            session = self._sessions[session_id] = _Session()
            self._detach(session_id, session)
        known = session.standing()
        if known is None or known.at < began:
            unknown = Standing.before(run_id, at=began)
            session.away = [(unknown if known is None else known | unknown, trio.current_time() + self._window)]

    def _go_on(self, member: Member, standing: Standing | None) -> None:
        if standing is not None and member.session.dialect is not None:
            self._hub.resume(member, standing)

    def _take_over(self, session: _Session) -> None:
        now, takeovers = trio.current_time(), session.takeovers
        session.shared = len(takeovers) == TAKEOVERS and now - takeovers[0] <= TAKEOVER_WINDOW_S
        session.takeovers = [*takeovers, now][-TAKEOVERS:]

    def _detach(self, session_id: str, session: _Session) -> None:
        session.until = trio.current_time() + self._window
        self._detached[session_id] = session
        while len(self._detached) > self._limit:
            self._end_first()
        self._bell.unpark_all()

    def _end_first(self) -> None:
        session_id = next(iter(self._detached))
        del self._detached[session_id], self._sessions[session_id]
        self.touch(session_id)
        self._expired(session_id)


def new_session_id() -> str:
    """For a peer that names none. Whoever knows a session's id may take it over, so it cannot be guessed."""
    return secrets.token_urlsafe(12)
