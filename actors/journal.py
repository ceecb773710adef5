"""The journal: an append-only record of every run, and the in-memory one.

(contract written first: the Protocol and the classes below are settled; MemoryJournal is to be filled)
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import attrs

from protocol.messages import Event, Json, RunSummary
from protocol.states import RunStatus

__all__ = ["Claim", "Created", "Journal", "Keep", "Note", "Page", "RunPage", "Ticket", "Trimmed"]

Note = tuple[str, Json]
"""(key, value): a private fact of a run's fold; the last one of a key wins; value None deletes it."""


@attrs.frozen
class Claim:
    """The right to append to one run."""

    run_id: str
    token: int
    owner: str


@attrs.frozen
class Created:
    """What `create` did: `claim` is None if the workflow has an open run already (`run_id` names it)."""

    run_id: str
    claim: Claim | None


@attrs.frozen
class Page:
    """Some of a run's events."""

    events: Sequence[Event]
    notes: Mapping[str, Json]
    """With the first page only."""
    last_seq: int
    closed: RunStatus | None


@attrs.frozen
class RunPage:
    runs: Sequence[RunSummary]
    next_cursor: str | None


@attrs.frozen
class Keep:
    """How much history to keep. None: without limit."""

    days: float | None = None
    runs: int | None = None


@attrs.frozen
class Trimmed:
    runs: int


class Ticket(Protocol):
    """What an append returns. Awaited: the append is durable."""

    @property
    def done(self) -> bool: ...
    def __await__(self) -> Any: ...


class Published(Protocol):
    """Who hears what was committed, in order, after its commit: the hub."""

    def publish(self, run_id: str, events: Sequence[Event], notes: Sequence[Note]) -> None: ...


class Journal(Protocol):
    """An async context manager; its tasks live in its own nursery."""

    def create_nowait(self, run_id: str, workflow_id: str, spec: Mapping[str, Json], created_at: float) -> Created:
        """Record a run. At most one open run per workflow id. Durable with the first append's ticket."""
        ...

    def append_nowait(
        self, claim: Claim, events: Sequence[Event], notes: Sequence[Note] = (), *, close: RunStatus | None = None
    ) -> Ticket:
        """Hand over events and notes, in one transaction. Never blocks, never split by a cancel.

        Raises:
            JournalError: seq is not the next one (Gap), or the run is closed.
        """
        ...

    async def load(self, run_id: str, after: int = 0, limit: int = 1000) -> Page:
        """Committed events after a seq.

        Raises:
            UnknownRun: no such run, or it was trimmed.
        """
        ...

    async def spec(self, run_id: str) -> Mapping[str, Json]:
        """What `create` was given (graph and config): to recover or show a run."""
        ...

    def follow(self, run_id: str, after: int = 0) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """Committed events: replay, then live; ends after the ending."""
        ...

    async def find(self, workflow_id: str) -> str | None:
        """The latest run of a workflow."""
        ...

    async def list_runs(
        self, *, status: str | None = None, workflow_id: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> RunPage:
        """Runs, newest first."""
        ...

    async def trim(self, keep: Keep) -> Trimmed:
        """Forget old runs that ended; never an open one."""
        ...
