"""The bridge: one asyncio loop in one thread of its own, and the way from trio there and back.

Theory of operation: `open_bridge` starts the thread and ends it; what is left in the loop by then is cancelled and
awaited by asyncio, so every call that is still under way gets its answer, and the thread is gone when the block is.

One call is one message each way: `call_soon_threadsafe` takes the coroutine function there, `run_sync_soon` brings the
outcome back to the one trio task that waits for it. A cancel asks asyncio to cancel, and goes on waiting for asyncio's
own word: an act that was finished by then keeps its result, and nothing is still under way when `call` has ended. An
asyncio cancellation becomes trio's only if it was ours; any other means that the loop is being closed.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, ParamSpec, TypeVar

import trio

__all__ = ["Bridge", "BridgeClosed", "open_bridge"]

THREAD_NAME: Final = "callboard-browser"

P = ParamSpec("P")
T = TypeVar("T")


class BridgeClosed(Exception):
    """The loop is closed, or was closed before the call had an answer."""


class Bridge:
    """The way to the loop. Made by `open_bridge`."""

    def __init__(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    @trio.lowlevel.enable_ki_protection
    async def call(self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Await `fn(…)` in the loop.

        *Cancel*: the awaitable is cancelled too, and has ended when this raises; what it returned in spite of that is
        returned.

        Raises:
            BridgeClosed: the loop is closed.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if (loop := self._loop) is None:
            raise BridgeClosed("the browser's loop is closed")
        waiter = trio.lowlevel.current_task()
        jobs: list[asyncio.Task[T]] = []
        cancels: list[Callable[[], None]] = []

        async def work() -> T:
            return await fn(*args, **kwargs)

        def begin() -> None:
            job = loop.create_task(work())
            jobs.append(job)
            job.add_done_callback(lambda _: self.tell(trio.lowlevel.reschedule, waiter))

        def abort(raise_cancel: Callable[[], None]) -> trio.lowlevel.Abort:
            cancels.append(raise_cancel)
            # It is taken after `begin`. If the loop is closed meanwhile, so is the job, and its word is on the way.
            _soon(loop, lambda: jobs[0].cancel())  # noqa: PLW0108  there is no job before that
            return trio.lowlevel.Abort.FAILED

        if not _soon(loop, begin):
            raise BridgeClosed("the browser's loop is closed")
        await trio.lowlevel.wait_task_rescheduled(abort)
        if not jobs[0].cancelled():
            return jobs[0].result()
        if cancels:
            cancels[0]()
        raise BridgeClosed("the browser's loop was closed")

    def tell(self, fn: Callable[..., object], /, *args: Any) -> None:
        """Have `fn` called in trio's thread, soon; from the loop's thread. What comes after trio's end is dropped."""
        try:
            self._token.run_sync_soon(fn, *args)
        except trio.RunFinishedError:
            pass

    def _run(self, ready: Callable[[], None]) -> None:
        """The thread."""

        async def main() -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            self.tell(ready)
            await self._stop.wait()

        try:
            asyncio.run(main())
        finally:
            self._loop = None
            self.tell(ready)

    def _close(self) -> None:
        """Whatever was called before this has begun by then."""
        if self._loop is not None and self._stop is not None:
            _soon(self._loop, self._stop.set)
            self._loop = None


def _soon(loop: asyncio.AbstractEventLoop, fn: Callable[[], object]) -> bool:
    """Have `fn` called in the loop. Returns whether it is still open."""
    try:
        loop.call_soon_threadsafe(fn)
    except RuntimeError:
        return False
    return True


@asynccontextmanager
async def open_bridge() -> AsyncIterator[Bridge]:
    """A bridge until the block is left; then the loop's tasks and its thread have ended."""
    bridge = Bridge()
    ready = trio.Event()
    async with trio.open_nursery() as nursery:
        with trio.CancelScope(shield=True):
            # Its own limiter: the thread stays, and is not to take the place of one that works.
            nursery.start_soon(_in_thread, bridge, ready.set)
            await ready.wait()
        try:
            yield bridge
        finally:
            bridge._close()  # noqa: SLF001  its own


async def _in_thread(bridge: Bridge, ready: Callable[[], None]) -> None:
    with trio.CancelScope(shield=True):
        await trio.to_thread.run_sync(
            bridge._run,  # noqa: SLF001  its own
            ready,
            limiter=trio.CapacityLimiter(1),
            thread_name=THREAD_NAME,
        )
