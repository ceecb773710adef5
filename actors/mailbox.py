"""An actor's one channel: a bounded number of commands, and reports that always fit.

Theory of operation: the memory channel itself is unbounded and the senders hold the bound. `tell` takes one of the
actor's command slots and is answered `Busy` at once when there is none. `report` is for what the actor has itself
started: one outcome per running node, one wake-up per timer. So nobody who is being cancelled ever waits for room, and
one `receive` serves commands and reports alike. Whoever owns the mailbox closes it; commands that are still inside, and
every later one, are answered `ActorGone`, so an `ask` never waits for a dead actor.
"""

import math
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import attrs
import trio

from actors.errors import ActorGone, ActorsError, Busy

__all__ = ["COMMAND_SLOTS", "Ask", "Mailbox", "MailboxStatistics"]

COMMAND_SLOTS: Final = 64
"""Commands that may wait for one actor."""

C = TypeVar("C")
R = TypeVar("R")


@attrs.define(eq=False)
class Ask(Generic[C, R]):
    """A command and where its one answer goes."""

    command: C
    _answer: Callable[[R], None]
    _gone: Callable[[ActorsError], None]
    answered: bool = attrs.field(default=False, init=False)

    def answer(self, reply: R) -> None:
        """Answer, once; synchronous."""
        if not self.answered:
            self.answered = True
            self._answer(reply)

    def gone(self, error: ActorsError) -> None:
        """The actor can not answer any more."""
        if not self.answered:
            self.answered = True
            self._gone(error)


@attrs.frozen
class MailboxStatistics:
    """What waits in a mailbox."""

    commands: int
    messages: int


class Mailbox:
    """One actor's mailbox. Used in one trio run, from one thread.

    Args:
        slots: how many commands may wait.
    """

    def __init__(self, *, slots: int = COMMAND_SLOTS) -> None:
        self._slots = slots
        self._commands = 0
        self._waiting = 0
        self._closed = False
        self._send, self._receive = trio.open_memory_channel[object](math.inf)

    def tell(self, ask: Ask[C, R]) -> None:
        """Hand a command over.

        Raises:
            Busy: every command slot is taken.
            ActorGone: the actor has ended.
        """
        if self._closed:
            raise ActorGone("the actor has ended")
        if self._commands >= self._slots:
            raise Busy(f"{self._slots} commands wait already; try again a little later")
        self._commands += 1
        self._waiting += 1
        self._send.send_nowait(ask)

    def offer(self, command: object) -> None:
        """Hand a command over whose answer nobody waits for; nothing happens if there is no room, or nobody left."""
        try:
            self.tell(Ask(command, _unheard, _unheard))
        except (ActorGone, Busy):
            pass

    def report(self, message: object) -> None:
        """Hand a report over; it always fits. After the end it is dropped: nobody is left to whom it matters."""
        if not self._closed:
            self._waiting += 1
            self._send.send_nowait(message)

    async def ask(self, command: C, answer: type[R]) -> R:
        """Hand a command over and wait for its answer. A cancel while it waits drops the answer, not the command.

        Raises:
            Busy: every command slot is taken.
            ActorGone: the actor has ended, before or after it got the command.
        """
        slot: list[R] = []
        errors: list[ActorsError] = []
        ready = trio.Event()

        def answered(reply: R) -> None:
            slot.append(reply)
            ready.set()

        def gone(error: ActorsError) -> None:
            errors.append(error)
            ready.set()

        self.tell(Ask(command, answered, gone))
        await ready.wait()
        if errors:
            raise errors[0]
        return slot[0]

    async def receive(self) -> object:
        """Wait for the next message."""
        return self._taken(await self._receive.receive())

    def receive_nowait(self) -> object:
        """The next message.

        Raises:
            trio.WouldBlock: there is none.
        """
        return self._taken(self._receive.receive_nowait())

    @property
    def waiting(self) -> bool:
        """Whether a message is there."""
        # The channel knows, too, but makes an object to say it: a run asks several times for each node.
        return self._waiting > 0

    def close(self) -> None:
        """End it: what waits and what comes is answered `ActorGone`. Idempotent."""
        if self._closed:
            return
        self._closed = True
        while True:
            try:
                message = self._receive.receive_nowait()
            except trio.WouldBlock:
                break
            if isinstance(message, Ask):
                message.gone(ActorGone("the actor ended before it answered"))
        self._send.close()
        self._receive.close()

    def statistics(self) -> MailboxStatistics:
        """How much waits."""
        return MailboxStatistics(self._commands, self._send.statistics().current_buffer_used)

    def _taken(self, message: object) -> object:
        self._waiting -= 1
        if isinstance(message, Ask):
            self._commands -= 1
        return message


def _unheard(answer: object) -> None:
    pass
