"""What the tests of a journal stand on: how one is opened, and the run that they all tell.

The run `r1` of the workflow `w1` begins with `started()`, goes on with `lines(2, …)` and ends with `ended(…)`.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import ClassVar, Final

import attrs
import pytest
import trio

from actors.journal import Claim, Journal, Note
from protocol.messages import Event, Logged, RunEnded, RunStarted, Summary
from protocol.states import RunStatus

__all__ = [
    "BEGAN",
    "FOREVER_SECONDS",
    "Heard",
    "JournalTests",
    "claimed",
    "ended",
    "lines",
    "over",
    "refused",
    "seqs",
    "started",
    "until",
]

BEGAN: Final = 100.0
"""When the runs of the tests begin, in seconds since the epoch; seq n is n seconds later."""

FOREVER_SECONDS: Final = 3_600.0
"""A lease that does not pass while a test runs."""

POLL_SECONDS: Final = 0.001


@pytest.mark.trio
class JournalTests(ABC):
    """What is common to all tests of a journal."""

    durable: ClassVar[bool]
    """What `Journal.durable` has to be."""
    lease: ClassVar[float] = 0.1
    """A short lease, in seconds: long enough for one call of the journal, and what some tests wait for."""
    patience: ClassVar[float] = 30.0
    """After so many seconds a test is given up."""

    @abstractmethod
    def open(self) -> AbstractAsyncContextManager[Journal]:
        """Open the journal; if it is durable, the same store each time within one test, an empty one in each test."""
        ...

    @pytest.fixture
    def clock(self) -> trio.abc.Clock | None:
        """The clock of those tests in which time has to pass; None: real time."""
        return None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Journal]:
        """The journal, for as long as a test may take."""
        with trio.fail_after(self.patience):
            async with self.open() as journal:
                yield journal


@attrs.define(eq=False)
class Heard:
    """A listener that remembers."""

    journal: Journal
    batches: list[tuple[str, list[int], list[Note]]] = attrs.field(factory=list, init=False)
    """(run id, seqs, notes) in the order in which they came."""
    uncommitted: list[int] = attrs.field(factory=list, init=False)
    """What the journal called uncommitted at each of them."""

    def publish(self, run_id: str, events: Sequence[Event], notes: Sequence[Note]) -> None:
        """Hear one committed batch."""
        self.batches.append((run_id, [event.seq for event in events], list(notes)))
        self.uncommitted.append(self.journal.statistics().uncommitted)

    def seqs(self, run_id: str = "r1") -> list[int]:
        """What was heard of a run, batches or not."""
        return [seq for each, heard, _ in self.batches if each == run_id for seq in heard]

    def notes(self, run_id: str = "r1") -> list[Note]:
        """The notes that were heard of a run."""
        return [note for each, _, heard in self.batches if each == run_id for note in heard]


def started(run_id: str = "r1", workflow_id: str = "w1") -> RunStarted:
    """Seq 1 of a run."""
    return RunStarted(run_id=run_id, workflow_id=workflow_id, seq=1, at=BEGAN + 1, total_nodes=3)


def lines(first: int, last: int, run_id: str = "r1", workflow_id: str = "w1") -> list[Event]:
    """Lines of a run's log, from one seq to another."""
    return [
        Logged(run_id=run_id, workflow_id=workflow_id, seq=seq, at=BEGAN + seq, level="info", message=f"line {seq}")
        for seq in range(first, last + 1)
    ]


def ended(
    seq: int, run_id: str = "r1", workflow_id: str = "w1", *, error: str | None = None, at: float | None = None
) -> RunEnded:
    """The ending of a run: failed if there is an error."""
    status = RunStatus.FAILED if error else RunStatus.COMPLETED
    at = BEGAN + seq if at is None else at
    summary = Summary(
        status=status,
        duration=1.0,
        total_nodes=3,
        succeeded=2,
        failed=int(error is not None),
        skipped=0,
        not_begun=0,
        started_at=BEGAN + 1,
        ended_at=at,
        error=error,
    )
    return RunEnded(
        run_id=run_id, workflow_id=workflow_id, seq=seq, at=at, status=status, message="", summary=summary, error=error
    )


async def claimed(
    journal: Journal,
    run_id: str = "r1",
    workflow_id: str = "w1",
    *,
    lease: float = FOREVER_SECONDS,
    queue: str = "",
) -> Claim:
    """The right to write a new run."""
    created = await journal.create(run_id, workflow_id, b"{}", created_at=BEGAN, queue=queue, lease=lease)
    assert created.claim is not None
    return created.claim


async def over(journal: Journal, run_id: str, workflow_id: str, *, at: float | None = None) -> None:
    """A run that has come and gone, ended at a time of day."""
    claim = await claimed(journal, run_id, workflow_id)
    events = [started(run_id, workflow_id), ended(2, run_id, workflow_id, at=at)]
    await journal.append_nowait(claim, events, close=RunStatus.COMPLETED)


async def refused(
    journal: Journal,
    claim: Claim,
    events: Sequence[Event],
    notes: Sequence[Note] = (),
    *,
    close: RunStatus | None = None,
) -> None:
    """Append; whoever calls expects the error, that comes at once or from the ticket."""
    await journal.append_nowait(claim, events, notes, close=close)
    await trio.lowlevel.checkpoint()


async def seqs(journal: Journal, run_id: str = "r1") -> list[int]:
    """What the journal holds of a run, read to its end."""
    found: list[int] = []
    while (page := await journal.load(run_id, after=found[-1] if found else 0)).events:
        found += [event.seq for event in page.events]
    return found


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition that nothing announces."""
    await trio.lowlevel.checkpoint()
    while not condition():  # noqa: ASYNC110  a journal has no event for what the tests ask
        await trio.sleep(POLL_SECONDS)
