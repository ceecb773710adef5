"""The journal in memory keeps the contract, and commits within the call."""

from contextlib import AbstractAsyncContextManager

import pytest
import trio
from trio.testing import MockClock

from actors.journal import Journal
from actors.journals import MemoryJournal
from actors.testing import JournalConformance


class TestMemoryJournal(JournalConformance):
    """It waits for nothing outside of trio, so its leases pass on a virtual clock."""

    lease = 10.0

    @pytest.fixture
    def clock(self, autojump_clock: MockClock) -> trio.abc.Clock | None:
        return autojump_clock

    def open(self) -> AbstractAsyncContextManager[Journal]:
        return MemoryJournal()
