"""What a client has asked its server and has no answer to yet; it is asked again on each new link.

Theory of operation: `Asking` is a table without a task. A command is in it from the call of its method until that
returns, is cancelled, or the client is over; its text is made once, so a repetition is the same to the byte. Commands
that do something carry a request id besides, so that the server does them once and answers them the same; all others
change nothing and may be done twice. There are `MAX_COMMANDS` at most; one more is `Busy` at once.

It also knows how a refusal of the server is raised: like that of a runtime of one's own, where there is such an error.
"""

import secrets
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias, TypeVar

import attrs
import trio

from actors.errors import ActorsError, Busy, CommandRefused, RunActive, ShuttingDown, UnknownRun
from actors.remote import joined
from protocol.dialects import DIALECTS
from protocol.errors import InvalidWorkflow
from protocol.messages import (
    Command,
    Control,
    ErrorReply,
    Event,
    NodeInput,
    Reply,
    Snapshot,
    StartRefused,
    StartRun,
)
from protocol.requests import run_id_of

__all__ = ["MAX_COMMANDS", "Answer", "Asking", "Pending", "refusal_of"]

MAX_COMMANDS: Final = 256
"""Without an answer, at a time."""

SNAKE: Final = DIALECTS["snake"]

REFUSALS: Final[Mapping[str, type[ActorsError]]] = {error.code: error for error in (Busy, ShuttingDown, UnknownRun)}
"""Code of the server → what is raised; any other is `CommandRefused`."""

Answer: TypeAlias = Reply | Event
C = TypeVar("C", bound=Command)


@attrs.define(eq=False)
class Pending:
    """A command without an answer."""

    command: Command
    text: bytes
    answered: trio.Event = attrs.field(factory=trio.Event, init=False)
    answer: Answer | Exception | None = attrs.field(default=None, init=False)
    parts: list[Snapshot] = attrs.field(factory=list, init=False)
    """Of a snapshot, as far as it has come over the present link."""

    def settle(self, answer: Answer | Exception) -> None:
        """The first answer counts."""
        if self.answer is None:
            self.answer = answer
            self.answered.set()


class Asking:
    """The table.

    Args:
        session_id: request ids are of one session.
        post: sends a text if there is a link; without one it is sent with all the others when there is.
        wall: the time, seconds since the epoch.
    """

    def __init__(self, session_id: str, *, post: Callable[[bytes], None], wall: Callable[[], float]) -> None:
        self._session_id = session_id
        self._post = post
        self._wall = wall
        self._number = 0
        self._prefix = secrets.token_hex(4)
        """Request ids of this client differ from those of an earlier one with its session id."""
        self._pending: dict[str, Pending] = {}
        self._starts: dict[str, Pending] = {}
        """Run id → its start: the run's first event is the answer."""

    def __len__(self) -> int:
        return len(self._pending)

    def numbered(self, command: C) -> C:
        """The command with an id of its own; and, if it does something, one that makes it be done once."""
        self._number += 1
        id_ = f"c{self._number}"
        if isinstance(command, StartRun | Control | NodeInput):
            return attrs.evolve(command, id=id_, request_id=f"{self._prefix}-{self._number}")
        return attrs.evolve(command, id=id_)

    def spell(self, command: Command) -> bytes:
        """A numbered command as it is sent."""
        return SNAKE.spell(command, at=self._wall())

    def run_id(self, start: StartRun) -> str:
        """The id of the run that a numbered start makes."""
        return run_id_of(self._session_id, start.request_id or "")

    async def ask(self, command: Command) -> Answer:
        """Send a numbered command, now or when there is a link, and wait for the answer.

        A cancel drops the answer; whether the command is done is not known then.

        Raises:
            ProtocolError, ActorsError: it was refused.
            trio.ClosedResourceError: the client was closed.
        """
        if len(self._pending) >= MAX_COMMANDS:
            raise Busy(f"{MAX_COMMANDS} commands wait for the server already; try again later")
        run_id = self.run_id(command) if isinstance(command, StartRun) else None
        pending = self._pending[command.id] = Pending(command, self.spell(command))
        if run_id is not None:
            self._starts[run_id] = pending
        self._post(pending.text)
        try:
            await pending.answered.wait()
        finally:
            del self._pending[command.id]
            if run_id is not None:
                del self._starts[run_id]
        match pending.answer:
            case StartRefused(run_id=str() as active) as refused:
                raise RunActive(refused.workflow_id, active)
            case StartRefused(problems=problems) if problems:
                raise InvalidWorkflow(problems)
            case StartRefused() as refused:
                raise refusal_of(refused.code, refused.error)
            case ErrorReply() as refused:
                raise refusal_of(refused.code, refused.message)
            case Exception() as error:
                raise error
            case answer:
                assert answer is not None  # noqa: S101  it was settled
                return answer

    def post_all(self) -> None:
        """There is a new link: everything once more, in the order of asking."""
        for pending in self._pending.values():
            pending.parts.clear()
            self._post(pending.text)

    def hear(self, reply: Reply) -> bool:
        """A reply has come; whether it was asked for here."""
        pending = self._pending.get(reply.reply_to or "")
        if pending is None:
            return False
        if isinstance(reply, Snapshot):
            pending.parts.append(reply)
            if reply.part == reply.parts:
                pending.settle(joined(pending.parts))
        else:
            pending.settle(reply)
        return True

    def hear_event(self, event: Event) -> None:
        """An event has come: if it is of a run that was to be started, that was accepted."""
        started = self._starts.get(event.run_id)
        if started is not None:
            started.settle(event)

    def refuse_largest(self, why: str) -> None:
        """One of the commands was more than the server takes at once, and it does not say which."""
        if self._pending:
            largest = max(self._pending.values(), key=lambda pending: len(pending.text))
            largest.settle(CommandRefused(f"{len(largest.text)} bytes: {why}", code="too_large"))

    def end(self, over: Callable[[], Exception]) -> None:
        """Nobody will answer."""
        for pending in self._pending.values():
            pending.settle(over())


def refusal_of(code: str, text: str) -> ActorsError:
    """What is raised for what the server refused."""
    kind = REFUSALS.get(code)
    return CommandRefused(text, code=code) if kind is None else kind(text)
