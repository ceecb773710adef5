"""What is known of runs that are over: the newest at hand, all others read from the journal when they are asked for."""

from collections.abc import Iterable
from typing import Final

from actors.answers import REQUEST, Record
from actors.journal import Journal
from protocol.messages import RunEnded

__all__ = ["Records"]

MAX_RECORDS: Final = 1_000
"""What is kept at hand; the oldest falls out."""


class Records:
    """A cache over the journal. Every method but `read` is one synchronous step."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}
        """By run id, the newest last."""
        self._latest: dict[str, str] = {}
        """Workflow id → its latest run of those at hand."""

    def get(self, run_id: str) -> Record | None:
        """What is at hand of a run."""
        return self._records.get(run_id)

    def latest(self, workflow_id: str) -> str | None:
        """The latest run of a workflow, if it is at hand."""
        return self._latest.get(workflow_id)

    def add(self, record: Record, *, latest: bool) -> None:
        """Keep a run that is over.

        Args:
            record: of that run.
            latest: it is the latest of its workflow.
        """
        self._records.pop(record.run_id, None)
        self._records[record.run_id] = record
        if latest:
            self._latest[record.workflow_id] = record.run_id
        if len(self._records) > MAX_RECORDS:
            self.forget([next(iter(self._records))])

    def forget(self, run_ids: Iterable[str]) -> None:
        """Those runs are gone from the journal, or too old."""
        for run_id in run_ids:
            record = self._records.pop(run_id, None)
            if record is not None and self._latest.get(record.workflow_id) == run_id:
                del self._latest[record.workflow_id]

    async def read(self, journal: Journal, run_id: str) -> Record:
        """Read a run from the journal. It is not kept.

        Raises:
            UnknownRun: it is not there.
        """
        row = await journal.summary(run_id)
        notes = (await journal.load(run_id, 0, 1)).notes
        ending = (await journal.load(run_id, row.last_seq - 1, 1)).events if row.last_seq else ()
        return Record(
            run_id=run_id,
            workflow_id=row.workflow_id,
            status=row.status,
            summary=ending[-1].summary if ending and isinstance(ending[-1], RunEnded) else None,
            replies={key: value for key, value in notes.items() if key.startswith(REQUEST)},
        )
