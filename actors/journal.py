"""The journal: an append-only record of every run – the contract that every journal keeps.

Theory of operation: the journal is the bus. A run hands over its events and notes with `append_nowait`, which is
synchronous, so that a cancel never splits a batch and a seq once given stays used; whoever needs durability awaits the
ticket. What was committed is then published, in the order of the commits and never before them, to the one listener
that was attached (the hub). Everybody else reads: `load` in pages, `follow` as replay and live in one stream.

A run has one writer: the holder of its `Claim`. A run is claimable while it is open and its lease has passed; a claim
counts the run's token up, so whoever held it before is *fenced*: each append is checked against token and owner, and
against the next seq, in its own transaction. A repeat of the same batch is harmless; anything else that does not fit is
an error instead of a gap. `close=` ends a run in the same transaction as its last event: from then on it refuses
appends. `control` is how a server that does not execute a run reaches the one that does.

A journal that can not write (a full disk) does not fail: tickets wait, `degraded` says why, and all goes on when there
is room. Which journals there are: `actors.journals`; what each must do is a test suite, `actors.testing.journals`.

What this file does not know: what an event means, who hears of it, and how a run is recovered.
"""

from collections.abc import AsyncIterator, Collection, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Protocol, Self

import attrs

from protocol.messages import Event, Json, RunSummary
from protocol.states import RunStatus

__all__ = [
    "Claim",
    "ControlEntry",
    "Created",
    "Journal",
    "JournalStatistics",
    "Keep",
    "Note",
    "Page",
    "Published",
    "Renewed",
    "RunPage",
    "Ticket",
    "Trimmed",
]

Note = tuple[str, Json]
"""(key, value): a private fact of a run's fold; the last one of a key wins; value None deletes it."""


@attrs.frozen
class Claim:
    """The right to append to one run. A run has one writer at a time."""

    run_id: str
    token: int
    """Counts the claims of this run; an append under an older one is refused."""
    owner: str
    """Random: two claims are never the same, even if a journal was put back to an older state."""


@attrs.frozen
class Created:
    """What `create` did."""

    run_id: str
    """The run that was recorded, or the one that stands in its way."""
    claim: Claim | None
    """The creator's claim, if it asked for one."""
    fresh: bool = True
    """False: nothing was recorded, because the workflow has an open run already, or this run id is taken."""


@attrs.frozen
class ControlEntry:
    """A command that another server left for whoever executes the run."""

    run_id: str
    number: int
    """Counts the controls of a run from 1."""
    key: str
    """The same key twice is one command."""
    body: bytes


@attrs.frozen
class Renewed:
    """What `renew` found."""

    lost: Sequence[Claim]
    """Held by somebody else now, or the run has ended: stop that run's work here at once."""
    controls: Sequence[ControlEntry]
    """In order of their numbers, each once per claim; a new claim of the run gets all of them again."""


@attrs.frozen
class Page:
    """Some of a run's committed events, in order of seq."""

    events: Sequence[Event]
    notes: Mapping[str, Json]
    """The notes of the run as they are now; with the first page only (`after=0`), else empty. Folded after the events:
    they are at least as new as `last_seq`."""
    last_seq: int
    """The newest committed seq, whether it is on this page or not; 0 if there is none."""
    closed: RunStatus | None
    """The status with which the run ended; None while it is open."""


@attrs.frozen
class RunPage:
    """Some rows of a list of runs, newest first."""

    runs: Sequence[RunSummary]
    next_cursor: str | None
    """Where the next page begins; None: there is none."""


@attrs.frozen
class Keep:
    """How much history to keep. None: without limit. Of several limits the strictest counts."""

    days: float | None = None
    """Since the run ended."""
    runs: int | None = None
    """The newest ended ones."""
    spare: Collection[str] = ()
    """Ids of runs that are kept in any case, for somebody still needs them; they count all the same."""


@attrs.frozen
class Trimmed:
    """What `trim` did."""

    run_ids: Sequence[str]
    """Which runs were forgotten."""


@attrs.frozen
class JournalStatistics:
    """What a journal holds now."""

    runs: int
    open_runs: int
    events: int
    sessions: int
    following: int
    """Tasks that wait in a `follow` for the next event."""
    uncommitted: int
    """Events handed over and not yet durable."""


class Ticket(Protocol):
    """What an append returns. Awaited: the append is durable. May be awaited often, by anybody, or never."""

    @property
    def done(self) -> bool:
        """Whether it is durable already."""
        ...

    def __await__(self) -> Generator[Any, Any, None]:
        """Return once it is durable; at once, without a checkpoint, if it is so already.

        Raises:
            Fenced, Gap: as `append_nowait`; nothing was written.
            JournalError: it can not become durable any more (the journal was closed before).
        """
        ...


class Published(Protocol):
    """Who hears what was committed: the hub."""

    def publish(self, run_id: str, events: Sequence[Event], notes: Sequence[Note]) -> None:
        """Hear one committed batch of a run. Batches of a run come in order, each after its commit.

        Called inside the commit's step: it returns at once, never raises, and does not append.
        """
        ...


class Journal(Protocol):
    """An append-only record of runs: an async context manager; its tasks live in its own nursery.

    *Resource handling*: leaving the context makes durable what was handed over, then ends every `follow` that still
    waits with `JournalError`. Nothing that was given out needs to be closed besides `follow`'s own context.
    """

    async def __aenter__(self) -> Self:
        """Open it."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        ...

    def attach(self, published: Published | None) -> None:
        """Publish every later commit to `published`, and to nobody before it. None: to nobody."""
        ...

    @property
    def durable(self) -> bool:
        """Whether what it holds outlives the process, so that runs can go on after a restart."""
        ...

    @property
    def degraded(self) -> str | None:
        """Why nothing can be written now, for people to read; None: all is well."""
        ...

    async def health_changed(self) -> None:
        """Wait until `degraded` is another than it was."""
        ...

    async def create(
        self,
        run_id: str,
        workflow_id: str,
        spec: bytes,
        *,
        created_at: float,
        queue: str = "",
        lease: float | None = None,
    ) -> Created:
        """Record a run, durably. At most one open run per workflow id. A cancel leaves it recorded or not.

        Args:
            run_id: unique for ever.
            workflow_id: the client's own key.
            spec: what is needed to run it; `spec()` gives it back.
            created_at: seconds since the epoch.
            queue: who may claim it.
            lease: the creator claims it at once, for so many seconds; None: whoever claims first.

        Raises:
            JournalError: the journal is closed.
        """
        ...

    async def claim(self, queues: Sequence[str] = ("",), *, limit: int = 100, lease: float) -> Sequence[Claim]:
        """Take open runs whose lease has passed, the oldest first; at once, perhaps none. Each is the caller's now.

        Args:
            queues: from which.
            limit: how many at most.
            lease: seconds until somebody else may take them, unless renewed.

        Raises:
            JournalError: the journal is closed.
        """
        ...

    async def claimable(self, queues: Sequence[str] = ("",)) -> None:
        """Wait until there may be something to claim. Not part of `claim`, so that a cancel never loses a claim.

        Raises:
            JournalError: the journal was closed.
        """
        ...

    async def renew(self, claims: Sequence[Claim], *, lease: float) -> Renewed:
        """Keep claims for `lease` seconds from now, and learn what happened to their runs.

        Raises:
            JournalError: the journal is closed.
        """
        ...

    async def control(self, run_id: str, key: str, body: bytes) -> int:
        """Leave a command for whoever executes the run: durable, in order, once per key. Returns its number.

        Raises:
            UnknownRun: no such run, or it was trimmed.
            JournalError: the run has ended, or the journal is closed.
        """
        ...

    def append_nowait(
        self, claim: Claim, events: Sequence[Event], notes: Sequence[Note] = (), *, close: RunStatus | None = None
    ) -> Ticket:
        """Hand over events and notes, in one transaction. Never blocks, never split by a cancel.

        The same batch a second time, under the same claim, is done already and changes nothing.

        Args:
            claim: from `create` or `claim`.
            events: the next ones, their seq without a gap.
            notes: private facts, committed with them.
            close: the run ends with this status and refuses whatever comes later.

        What is wrong is raised here by a journal that knows it at once, else by the ticket: nothing was written then.

        Raises:
            Gap: a seq is not the next one.
            Fenced: the run is somebody else's now, or has ended: stop its work here at once.
            JournalError: the journal is closed.
        """
        ...

    async def load(self, run_id: str, after: int = 0, limit: int = 1000) -> Page:
        """Committed events after a seq, at most `limit`.

        Raises:
            UnknownRun: no such run, or it was trimmed.
        """
        ...

    async def spec(self, run_id: str) -> bytes:
        """What `create` was given: to recover or show a run.

        Raises:
            UnknownRun: no such run, or it was trimmed.
        """
        ...

    def follow(self, run_id: str, after: int = 0) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """Committed events after a seq: replay, then live; ends after the ending.

        *Error handling*: entering raises `UnknownRun`; the iterator raises `JournalError` if the journal is closed
        before the run has ended. A run that is trimmed meanwhile is still told to its end.
        """
        ...

    async def find(self, workflow_id: str) -> str | None:
        """The latest run of a workflow, ended or not; None: none is known."""
        ...

    async def list_runs(
        self, *, status: str | None = None, workflow_id: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> RunPage:
        """Runs, newest first.

        Args:
            status: only runs that are in this state now.
            workflow_id: only runs of this workflow.
            limit: rows of a page, 1 to 1,000; what lies outside is taken as the nearest of these.
            cursor: `next_cursor` of the page before; runs that began since then do not move the pages.

        Raises:
            BadField: the cursor is none of ours.
        """
        ...

    async def summary(self, run_id: str) -> RunSummary:
        """The row of one run in a list.

        Raises:
            UnknownRun: no such run, or it was trimmed.
        """
        ...

    async def trim(self, keep: Keep) -> Trimmed:
        """Forget runs that ended, the oldest first; never an open one."""
        ...

    async def put_session(self, session_id: str, body: bytes | None) -> None:
        """Keep what is known of a session, durably; None forgets it.

        Raises:
            JournalError: the journal is closed.
        """
        ...

    async def get_session(self, session_id: str) -> bytes | None:
        """What was kept of a session; None: nothing."""
        ...

    async def list_sessions(self) -> Sequence[tuple[str, bytes]]:
        """Every session that is kept, as (id, body)."""
        ...

    def statistics(self) -> JournalStatistics:
        """What it holds now."""
        ...
