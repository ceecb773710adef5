"""Request ids: the same command twice is done once and answered the same.

Theory of operation: request ids outlive the connection that sent them, by ten minutes, so that a client which lost its
connection before it heard the answer may ask again. There are 100,000 of them at most over all sessions; full means
that the oldest are forgotten. A command that comes once more after that, or after a restart, is known by the run that
it was for: a start's run id is derived from its request, and a run keeps the requests of its controls.

Every step is synchronous, so no cancel finds a request halfway.
"""

import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TypeVar

import attrs
import trio

from actors.errors import Busy
from protocol.messages import Command, Reply
from protocol.requests import request_key

__all__ = ["Pending", "Requests", "owned"]

C = TypeVar("C", bound=Command)

REQUEST_MEMORY_S: Final = 600.0
MAX_REQUESTS: Final = 100_000
MAX_WAITING: Final = 64
"""Repetitions of one command that may wait for its answer."""

FORGETTABLE: Final = frozenset({"busy", "shutting_down"})
"""Codes of answers that say: not done, try again. The same request id may."""


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


class Requests:
    """The request ids of all sessions of a server."""

    def __init__(self) -> None:
        self._requests: OrderedDict[tuple[str, str], Pending] = OrderedDict()

    def find(self, session_id: str, request_id: str) -> Pending | None:
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


def owned(command: C, session_id: str) -> C:
    """A command as a run is told it: its request id is that of one session, for request ids of two are not the same."""
    if command.request_id is None:
        return command
    return attrs.evolve(command, request_id=request_key(session_id, command.request_id))
