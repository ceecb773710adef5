"""The suite for journals finds what is wrong with one: each journal here breaks a promise, and its test fails."""

import inspect
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import attrs
import pytest
import trio
from trio.testing import MockClock

from actors.errors import ActorsError, JournalError
from actors.journal import Claim, Created, Journal, Keep, Renewed, RunPage, Trimmed
from actors.journals import MemoryJournal
from actors.journals.leases import Leases
from actors.testing import DurableJournalConformance
from protocol.errors import ProtocolError

FOUND: Final = (AssertionError, pytest.fail.Exception, ActorsError, ProtocolError, ValueError, trio.TooSlowError)
"""What a test of the suite fails with here; anything else would be a mistake of this file."""

BROKEN: Final[list[tuple[type[MemoryJournal], str]]] = []
"""(a journal, the test that has to find what is wrong with it)."""


def breaks(*promises: str) -> Callable[[type[MemoryJournal]], type[MemoryJournal]]:
    """Say by which tests a journal is found."""

    def register(broken: type[MemoryJournal]) -> type[MemoryJournal]:
        BROKEN.extend((broken, promise) for promise in promises)
        return broken

    return register


@breaks(
    "test_a_workflow_has_one_open_run",
    "test_of_many_who_create_at_once_one_does",
)
class _ManyOpenRuns(MemoryJournal):
    async def create(self, run_id, workflow_id, *args, **more):
        return await super().create(run_id, f"{workflow_id} of {run_id}", *args, **more)


@breaks("test_a_run_id_is_never_used_twice")
class _Overwriting(MemoryJournal):
    async def create(self, run_id, workflow_id, *args, **more):
        self._records.pop(run_id, None)
        return await super().create(run_id, workflow_id, *args, **more)


@breaks("test_a_workflow_has_one_open_run")
class _Vague(MemoryJournal):
    async def create(self, run_id, *args, **more):
        created = await super().create(run_id, *args, **more)
        return Created(run_id, created.claim, fresh=created.fresh)


@breaks("test_a_cancelled_create_leaves_a_run_recorded_or_not")
class _HalfWritten(MemoryJournal):
    async def create(self, *args, **more):
        with trio.CancelScope(shield=True):
            created = await super().create(*args, **more)
        if created.fresh:
            self._leases.drop(created.run_id)
            await trio.lowlevel.checkpoint()
            self._leases.add(created.run_id, more.get("queue", ""))
            self._leases.renew(created.run_id, more.get("lease") or 0)
        return created


@breaks(
    "test_a_run_that_is_held_is_nobody_elses",
    "test_a_renewed_claim_lasts_from_the_renewal",
)
class _Greedy(MemoryJournal):
    async def claim(self, queues=("",), *, limit=100, lease):
        for run_id in self._leases._leases:
            self._leases.renew(run_id, 0)
        return await super().claim(queues, limit=limit, lease=lease)


@breaks("test_the_oldest_are_claimed_first_and_no_more_than_asked_for")
class _Unlimited(MemoryJournal):
    async def claim(self, queues=("",), *, limit=100, lease):
        return await super().claim(queues, lease=lease)


@breaks("test_the_oldest_are_claimed_first_and_no_more_than_asked_for")
class _Youngest(MemoryJournal):
    async def claim(self, queues=("",), *, limit=100, lease):
        held = self._leases._leases
        for run_id in reversed(list(held)):
            held[run_id] = held.pop(run_id)
        return await super().claim(queues, limit=limit, lease=lease)


@breaks("test_of_many_who_claim_at_once_each_run_has_one")
class _Racing(MemoryJournal):
    async def claim(self, queues=("",), *, limit=100, lease):
        free = self._leases.passed(queues, limit=limit)
        await trio.lowlevel.checkpoint()
        return [self._claim(self._records[run_id], lease) for run_id in free]


@breaks("test_only_runs_of_the_queues_are_claimed")
class _OneQueue(MemoryJournal):
    async def create(self, *args, queue="", **more):
        return await super().create(*args, **more)


@breaks(
    "test_who_waits_hears_of_a_new_run",
    "test_who_waits_hears_of_a_run_that_is_given_back",
)
class _Deaf(MemoryJournal):
    async def claimable(self, queues=("",)):
        if not self._leases.passed(queues, limit=1):
            await trio.sleep_forever()


@breaks("test_a_renewed_claim_lasts_from_the_renewal")
class _Unrenewed(MemoryJournal):
    async def renew(self, claims, *, lease):
        before = {run_id: held.until for run_id, held in self._leases._leases.items()}
        renewed = await super().renew(claims, lease=lease)
        for run_id, until in before.items():
            self._leases._leases[run_id].until = until
        return renewed


@breaks("test_a_lease_that_passed_takes_nothing_away")
class _Strict(MemoryJournal):
    def _writable(self, claim):
        if claim.run_id in self._leases.passed([""], limit=100):
            claim = Claim(claim.run_id, 0, "")
        return super()._writable(claim)


@breaks("test_who_was_replaced_is_fenced")
class _Unfenced(MemoryJournal):
    def _writable(self, claim):
        record = self._records[claim.run_id]
        return super()._writable(record.claim)


@breaks("test_a_claim_is_its_token_and_its_owner")
class _Tokens(MemoryJournal):
    def _writable(self, claim):
        record = self._records[claim.run_id]
        return super()._writable(record.claim if record.claim.token == claim.token else claim)


@breaks("test_a_renewal_names_the_claims_that_are_lost")
class _Silent(MemoryJournal):
    async def renew(self, claims, *, lease):
        return Renewed([], (await super().renew(claims, lease=lease)).controls)


@breaks("test_what_is_refused_takes_nothing_with_it")
class _Lenient(MemoryJournal):
    def append_nowait(self, claim, events, notes=(), *, close=None):
        first = len(self._writable(claim).events) + 1
        renumbered = [attrs.evolve(event, seq=seq) for seq, event in enumerate(events, first)]
        return super().append_nowait(claim, renumbered, notes, close=close)


@breaks(
    "test_what_is_refused_takes_nothing_with_it",
    "test_a_repeated_batch_is_done_already",
    "test_batches_are_published_in_order_with_their_notes",
)
class _NotesFirst(MemoryJournal):
    def append_nowait(self, claim, events, notes=(), *, close=None):
        super().append_nowait(claim, [], notes)
        return super().append_nowait(claim, events, close=close)


@breaks("test_a_repeated_batch_is_done_already")
class _Forgetful(MemoryJournal):
    def append_nowait(self, claim, events, notes=(), *, close=None):
        if events and events[0].seq <= len(self._writable(claim).events):
            events, notes = [], ()
        return super().append_nowait(claim, events, notes, close=close)


@breaks(
    "test_nothing_is_published_before_it_is_durable",
    "test_a_ticket_is_durability",
    "test_what_was_handed_over_becomes_durable",
)
class _Hasty(MemoryJournal):
    def append_nowait(self, claim, events, notes=(), *, close=None):
        super().append_nowait(claim, events, notes, close=close)
        return _Late()


class _Late:
    done = False

    def __await__(self):
        return trio.lowlevel.checkpoint().__await__()  # noqa: ASYNC105  awaited by who awaits this


@breaks("test_attach_changes_who_hears")
class _NeverHeard(MemoryJournal):
    def attach(self, published):
        if self._published is None:
            super().attach(published)


@breaks("test_the_last_note_of_a_key_wins")
class _Nothing(MemoryJournal):
    async def load(self, run_id, after=0, limit=1000):
        page = await super().load(run_id, after, limit)
        return attrs.evolve(page, notes={k: v for k, v in page.notes.items() if v})


@breaks(
    "test_notes_come_with_the_first_page_only",
    "test_a_page_stays_as_it_was_read",
)
class _AlwaysNotes(MemoryJournal):
    async def load(self, run_id, after=0, limit=1000):
        page = await super().load(run_id, after, limit)
        return attrs.evolve(page, notes=self._records[run_id].notes)


@breaks("test_a_page_stays_as_it_was_read")
class _Live(MemoryJournal):
    async def load(self, run_id, after=0, limit=1000):
        page = await super().load(run_id, after, limit)
        return attrs.evolve(page, events=self._records[run_id].events) if after == 0 and limit == 1000 else page


@breaks("test_events_come_back_as_they_were")
class _Lossy(MemoryJournal):
    async def load(self, run_id, after=0, limit=1000):
        page = await super().load(run_id, after, limit)
        return attrs.evolve(page, events=[attrs.evolve(event, at=round(event.at, 3)) for event in page.events])


class _Torn(MemoryJournal):
    async def load(self, run_id, after=0, limit=1000):
        page = await super().load(run_id, after, limit)
        await trio.lowlevel.checkpoint()
        return attrs.evolve(page, last_seq=page.last_seq + 1)


@breaks(
    "test_it_replays_then_lives_then_ends",
    "test_a_run_that_ended_is_told_to_its_end",
    "test_no_event_is_missed_while_it_is_written",
)
class _OnlyLive(MemoryJournal):
    def follow(self, run_id, after=0):
        return super().follow(run_id, max(after, len(self._records[run_id].events)))


@breaks(
    "test_a_trimmed_run_is_told_to_its_end",
    "test_closing_the_journal_is_told_to_who_follows",
)
class _Polling(MemoryJournal):
    @asynccontextmanager
    async def follow(self, run_id, after=0):
        async def events():
            position = after
            while True:
                page = await self.load(run_id, position)
                for event in page.events:
                    yield event
                position = self.beyond(position, page)
                if page.closed is not None and position >= page.last_seq:
                    return
                await trio.sleep(0.001)

        each = events()
        yield each
        await each.aclose()

    def beyond(self, position, page):
        return page.events[-1].seq if page.events else position


@breaks("test_it_replays_then_lives_then_ends")
class _Skipping(_Polling):
    def beyond(self, position, page):
        return page.last_seq


@breaks(
    "test_closing_the_journal_is_told_to_who_follows",
    "test_who_waits_for_a_run_is_told",
)
class _Endless(MemoryJournal):
    async def __aexit__(self, kind, error, trace):
        self._closed = True


@breaks("test_pages_stay_when_runs_come")
class _Offsets(MemoryJournal):
    async def list_runs(self, *, status=None, workflow_id=None, limit=50, cursor=None):
        rows = (await super().list_runs(status=status, workflow_id=workflow_id, limit=1000)).runs
        first = int(cursor or 0)
        return RunPage(rows[first : first + limit], str(first + limit) if len(rows) > first + limit else None)


@breaks("test_filters_come_before_the_paging")
class _LateFilter(MemoryJournal):
    async def list_runs(self, *, status=None, workflow_id=None, limit=50, cursor=None):
        page = await super().list_runs(limit=limit, cursor=cursor)
        return RunPage([row for row in page.runs if workflow_id in (None, row.workflow_id)], page.next_cursor)


@breaks("test_commands_are_handed_over_in_order_and_once")
class _Repeating(MemoryJournal):
    async def renew(self, claims, *, lease):
        for record in self._records.values():
            record.handed = 0
        return await super().renew(claims, lease=lease)


@breaks("test_a_new_claim_is_handed_all_of_them_again")
class _HandedOnce(MemoryJournal):
    def _claim(self, record, lease):
        handed = record.handed
        claim = super()._claim(record, lease)
        record.handed = handed
        return claim


@breaks("test_the_same_key_is_one_command")
class _Keyless(MemoryJournal):
    async def control(self, run_id, key, body):
        return await super().control(run_id, f"{key}{len(self._records[run_id].controls)}", body)


@breaks("test_an_ended_run_takes_no_command")
class _Hopeful(MemoryJournal):
    async def control(self, run_id, key, body):
        try:
            return await super().control(run_id, key, body)
        except JournalError:
            return 1


@breaks("test_a_session_is_kept_until_it_is_forgotten")
class _Hoarding(MemoryJournal):
    async def put_session(self, session_id, body):
        await super().put_session(session_id, body or b"")


@breaks(
    "test_an_open_run_is_never_forgotten",
    "test_the_newest_ended_runs_are_kept",
    "test_runs_that_ended_long_ago_are_forgotten",
)
class _Reckless(MemoryJournal):
    async def trim(self, keep):
        gone = list(self._records) if keep != Keep() else []
        for run_id in gone:
            del self._records[run_id]
        return Trimmed(gone)


@breaks("test_a_kept_run_of_the_same_workflow_is_still_found")
class _Thorough(MemoryJournal):
    async def trim(self, keep):
        trimmed = await super().trim(keep)
        for run_id in trimmed.run_ids:
            for workflow_id in [key for key, record in self._latest.items() if record.run_id[0] == run_id[0]]:
                del self._latest[workflow_id]
        return trimmed


@breaks("test_a_closed_journal_takes_nothing_more")
class _Unclosed(MemoryJournal):
    def _check_open(self):
        pass


class _Lasting(MemoryJournal):
    """Right: what it holds survives its closing."""

    durable = True

    async def __aenter__(self):
        held, self._leases, self._closed = self._leases._leases, Leases(), False
        for run_id, lease in held.items():
            self._leases.add(run_id, lease.queue)
        return await super().__aenter__()


@breaks("test_sessions_are_there")
class _Emptied(_Lasting):
    async def __aexit__(self, kind, error, trace):
        await super().__aexit__(kind, error, trace)
        self._sessions.clear()


@breaks("test_an_open_run_goes_on_under_a_new_claim")
class _Restarted(_Lasting):
    async def __aenter__(self):
        for record in self._records.values():
            record.claim = Claim(record.run_id, 0, "")
        return await super().__aenter__()


@breaks("test_new_runs_are_listed_before_the_old_ones")
class _Renumbered(_Lasting):
    async def __aenter__(self):
        self._numbers = 0
        return await super().__aenter__()


def fulfil(kind: type[MemoryJournal], promise: str) -> None:
    """Run one test of the suite."""
    kept = kind()

    class Suite(DurableJournalConformance):
        lease = 1.0
        patience = 5.0

        def open(self) -> AbstractAsyncContextManager[Journal]:
            return kept if kind.durable else kind()

    test = getattr(Suite(), promise)
    arguments = [None] * len(inspect.signature(test).parameters)
    trio.run(test, *arguments, clock=MockClock(autojump_threshold=0))


def first_cause(error: BaseException) -> BaseException:
    """What a nursery wrapped."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


@pytest.mark.parametrize(("broken", "promise"), BROKEN)
def test_a_broken_promise_is_found(broken: type[MemoryJournal], promise: str):
    """By the test that states it."""
    with pytest.raises(BaseException) as caught:
        fulfil(broken, promise)
    assert isinstance(first_cause(caught.value), FOUND)


@pytest.mark.parametrize("promise", sorted({promise for _, promise in BROKEN}))
def test_what_keeps_its_promises_passes(promise: str):
    """The same tests, on a journal that is only reopened."""
    fulfil(_Lasting, promise)
