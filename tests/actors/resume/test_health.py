"""A journal that can not write: `/health` says so, and so does the server to everyone who is connected."""

import attrs
import pytest
import trio

from actors.journals import MemoryJournal


@attrs.define(eq=False)
class Ailing(MemoryJournal):
    """A journal that says when it can not write."""

    reason: str | None = None
    changed: trio.Event = attrs.field(factory=trio.Event, init=False)

    @property
    def degraded(self) -> str | None:  # type: ignore[override]  # the one in memory never is
        """Why nothing can be written now."""
        return self.reason

    async def health_changed(self) -> None:
        """Wait until `degraded` is another than it was."""
        await self.changed.wait()

    def turn(self, reason: str | None) -> None:
        """Be ill for this reason, or well again."""
        self.reason = reason
        self.changed.set()
        self.changed = trio.Event()


@pytest.fixture
def ailing() -> Ailing:
    """A journal that is well."""
    return Ailing()


async def test_health_says_degraded_and_why(open_port, ailing, autojump_clock):
    """With 200, for the server answers and to start it again would help nobody; and healthy when it is so again."""
    async with open_port(journal=ailing) as port:
        for reason, status in ((None, "healthy"), ("the disk is full", "degraded"), (None, "healthy")):
            ailing.turn(reason)
            code, _, said = await port.house.call("GET /health")
            assert (code, said["status"], said.get("reason")) == (200, status, reason)


async def test_everyone_is_told_when_the_journal_can_not_write_and_when_it_can(open_port, ailing, autojump_clock):
    """`system.status` in each one's dialect, once per change; an undecided peer would not understand it."""
    async with open_port(journal=ailing) as port:
        snake, flat = await port.peer("/ws/s?dialect=snake"), await port.peer("/ws/f?dialect=flat")
        undecided = await port.peer("/ws/u")
        ailing.turn("the disk is full")
        ill = await snake.until("system.status", status="degraded")
        assert ill["payload"]["message"] == "the disk is full"
        assert (await flat.until("system_status", status="degraded"))["message"] == "the disk is full"
        late = await port.peer("/ws/late?dialect=snake")
        await late.until("system.status", status="degraded")
        ailing.turn(None)
        for peer in (snake, flat, late):
            await peer.until("system.status", "system_status", status="running")
        assert len(snake.heard) == 2
        assert [message["type"] for message in undecided.heard] == ["connection_established"]
