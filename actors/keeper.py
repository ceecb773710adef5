"""The keeper: lets sessions expire, writes down what is to outlive the server, and reads it back.

Theory of operation. *Started by* the server: `restore` before the first connection, `run` in its house, and `flush`
when the last connection has gone; a cancel of the house ends it, and what was not written then is only older in the
journal. It has no mailbox: the session table collects ids, each once, and rings.

*Expiry* is a task of its own, because writing waits for as long as the journal can not write. When a session expires,
the runs that it started and that asked for it (`onDisconnect`) are paused or stopped. A run that another process left
has nobody connected: its starter is waited for as if it had just gone.

*Writing.* A session is in the journal while it hears a run that goes on, and until it has got that run's ending. What
it hears is written at once; how far it is every `POSITIONS_SECONDS`, so a client may hear that much twice after a
crash. A run's start says who started it, so a starter is known even if the process died before its session was written.
"""

import logging
from collections.abc import Iterable
from functools import partial
from typing import Final, Literal

import trio

from actors.errors import ActorsError, JournalError
from actors.handle import Run
from actors.runtime import Runtime
from actors.sessions import Sessions
from actors.settings import Settings
from protocol.messages import Control, ControlReply

__all__ = ["Keeper"]

POSITIONS_SECONDS: Final = 5.0
"""Between two writes of how far sessions are."""

AGAIN_SECONDS: Final = 1.0
"""Until a run that was busy is told again that its starter is gone."""

logger = logging.getLogger(__name__)


class Keeper:
    """See the theory of operation above.

    Args:
        runtime: whose journal it writes, and whose runs hear of expiries.
        settings: how long a session is kept, and how many.
    """

    def __init__(self, runtime: Runtime, settings: Settings) -> None:
        self.sessions = Sessions(
            runtime.hub,
            window=settings.resume_window,
            limit=settings.max_connections,
            journaled=runtime.journal.durable,
            expired=self._expired,
        )
        self._runtime = runtime
        self._journal = runtime.journal
        self._written: set[str] = set()
        """Sessions that are in the journal."""
        self._nursery: trio.Nursery | None = None

    async def restore(self) -> None:
        """Wait for the sessions that another process left.

        Raises:
            JournalError: the journal can not be read.
        """
        for session_id, body in await self._journal.list_sessions():
            self._written.add(session_id)
            if not self.sessions.restore(session_id, body):
                logger.warning("session %r in the journal can not be read and is forgotten", session_id)
                self.sessions.touch(session_id)
        for run in self._runtime.unfinished():
            if run.starter:
                row = await self._journal.summary(run.id)
                self.sessions.expect(run.starter, run.id, began=row.created_at)

    async def run(self) -> None:
        """Keep, until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._expire)
            nursery.start_soon(self._write_changed)
            nursery.start_soon(self._write_moved)

    async def flush(self) -> None:
        """Write down at once what has changed."""
        await self._write((*_taken(self.sessions.changed), *_taken(self.sessions.moved)))

    async def _expire(self) -> None:
        while True:
            self.sessions.expire()
            with trio.CancelScope(deadline=self.sessions.due):
                await self.sessions.wait()

    async def _write_changed(self) -> None:
        while True:
            while not self.sessions.changed:
                await self.sessions.wait()
            await self._write(_taken(self.sessions.changed))

    async def _write_moved(self) -> None:
        while True:
            while not self.sessions.moved:
                await self.sessions.wait()
            await trio.sleep(POSITIONS_SECONDS)
            await self._write(_taken(self.sessions.moved))

    async def _write(self, session_ids: Iterable[str]) -> None:
        """All at the same time, so that the journal commits them together."""
        async with trio.open_nursery() as nursery:
            for session_id in session_ids:
                nursery.start_soon(self._put, session_id)

    async def _put(self, session_id: str) -> None:  # noqa: ASYNC910  a failure was awaited
        body = self.sessions.pack(session_id)
        if body is None and session_id not in self._written:
            await trio.lowlevel.checkpoint()
            return
        try:
            await self._journal.put_session(session_id, body)
        except JournalError:
            logger.exception("session %r could not be written down", session_id)
        else:
            (self._written.discard if body is None else self._written.add)(session_id)

    def _expired(self, session_id: str) -> None:
        for run in self._runtime.unfinished():
            if run.starter == session_id and (action := run.config.on_disconnect) != "continue":
                self._abandon(run, action)

    def _abandon(self, run: Run, action: Literal["pause", "stop"]) -> None:
        """The starter of a run is gone."""
        command = Control(action=action, run_id=run.id, workflow_id=run.workflow_id)
        try:
            self._runtime.control(command, partial(self._answered, run, action))
        except ActorsError:
            logger.debug("run %s has ended before its starter was gone", run.id)

    def _answered(self, run: Run, action: Literal["pause", "stop"], reply: ControlReply) -> None:
        if reply.code == "busy" and self._nursery is not None:
            self._nursery.start_soon(self._abandon_later, run, action)

    async def _abandon_later(self, run: Run, action: Literal["pause", "stop"]) -> None:
        await trio.sleep(AGAIN_SECONDS)
        self._abandon(run, action)


def _taken(session_ids: dict[str, None]) -> tuple[str, ...]:
    """What was collected, which is collected no more."""
    taken = tuple(session_ids)
    session_ids.clear()
    return taken
