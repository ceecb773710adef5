"""The journal in a SQLite file keeps the contract, closed and opened again as often as one likes."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from actors.journal import Journal
from actors.journals.sqlite import SqliteJournal
from actors.testing import DurableJournalConformance


class TestSqliteJournal(DurableJournalConformance):
    """On a real file; its commits wait for the disk, so time is real."""

    path: Path

    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "folder" / "runs.db"

    def open(self) -> AbstractAsyncContextManager[Journal]:
        return SqliteJournal(self.path)
