"""Leases of a journal that one process owns: which open run is claimed until when.

Theory of operation: nobody but this process writes the journal, so leases need not outlive it: what was claimed by a
process that is gone is claimable. Synchronous, but for `wait`, which owns nothing.
"""

import math
import secrets
from collections.abc import Sequence
from itertools import islice

import attrs
import trio

from actors.journal import Claim

__all__ = ["Leases"]


@attrs.define(eq=False)
class _Lease:
    queue: str
    until: float = -math.inf
    """Trio time."""


@attrs.define(eq=False)
class Leases:
    """The open runs of one journal, oldest first."""

    _leases: dict[str, _Lease] = attrs.field(factory=dict, init=False)
    _doorbell: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot, init=False)
    _closed: bool = attrs.field(default=False, init=False)

    def add(self, run_id: str, queue: str) -> None:
        """A run is open, and claimed by nobody."""
        self._leases[run_id] = _Lease(queue)
        self._doorbell.unpark_all()

    def drop(self, run_id: str) -> None:
        """A run has ended. Idempotent."""
        self._leases.pop(run_id, None)

    def claim(self, run_id: str, lease: float, *, token: int) -> Claim:
        """A run is claimed for `lease` seconds from now."""
        self.renew(run_id, lease)
        return Claim(run_id, token, secrets.token_hex(8))

    def renew(self, run_id: str, lease: float) -> None:
        """Its claim holds for `lease` seconds from now; for none at all it is given back."""
        held, until = self._leases[run_id], trio.current_time() + lease
        if until < held.until:
            self._doorbell.unpark_all()
        held.until = until

    def passed(self, queues: Sequence[str], *, limit: int) -> list[str]:
        """Runs that nobody holds, the oldest first."""
        now = trio.current_time()
        ours = (run_id for run_id, lease in self._leases.items() if lease.queue in queues and lease.until <= now)
        return list(islice(ours, limit))

    async def wait(self, queues: Sequence[str]) -> None:
        """Wait until a run may be claimed, or until it is closed."""
        await trio.lowlevel.checkpoint()
        while not self._closed:
            until = min((lease.until for lease in self._leases.values() if lease.queue in queues), default=math.inf)
            if until <= trio.current_time():
                return
            with trio.move_on_at(until):
                await self._doorbell.park()

    def close(self) -> None:
        """Nobody waits any more."""
        self._closed = True
        self._doorbell.unpark_all()
