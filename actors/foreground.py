"""What the command line starts: a server until a signal ends it, or one run until its ending.

Theory of operation: each opens first what must end last.

`serve_in_foreground`: interrupts, a nursery for the listener, the runtime. The listener's nursery is outside of the
runtime's block on purpose: to leave that block is the graceful end – the runtime ends the server, then the runs, then
the journal – and then the nursery is empty. The first signal leaves the block; the second is the system's own and
kills, and so does a timer after `shutdown_grace`: a thread, because the loop may be what is stuck.

`run_in_foreground`: the spool, interrupts, the runtime, the screen, a nursery for what draws and steers. The first
signal stops the run, the second by force, the third kills. Events are followed in the journal, so a slow reader of
stdout delays what is shown and nothing else. When nobody reads stdout any more the spool cancels everything, and the
runtime's end stops the run.
"""

import errno
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final, TypeVar

import attrs
import trio
from platformdirs import user_state_path

from actors.errors import ActorsError, JournalError
from actors.garbage import collect_garbage
from actors.interrupts import open_interrupts
from actors.registry import Registry
from actors.runtime import Run, open_runtime
from actors.screen import JsonScreen, PlainScreen, Screen, refusal
from actors.server import serve
from actors.settings import Settings
from actors.spool import Spool, open_spool, unplug
from protocol.errors import InvalidWorkflow, ProtocolError
from protocol.messages import Json
from protocol.states import RunStatus

__all__ = ["kept", "run_in_foreground", "serve_in_foreground"]

E = TypeVar("E", bound=BaseException)

COMPLETED: Final = 0
FAILED: Final = 1
NOT_STARTED: Final = 2
SIGNALLED: Final = 128
"""Plus the number of the signal: what a shell shows."""

logger = logging.getLogger(__name__)


async def serve_in_foreground(settings: Settings, *, registry: Registry) -> int:
    """Serve until SIGINT or SIGTERM.

    Returns:
        the exit status: 0, or 1 if an address can not be listened on, or the journal can not be opened.
    """
    try:
        return await _serve(kept(settings), registry)
    except* JournalError as group:
        for error in _leaves(group):
            sys.stderr.write(f"callboard: {error}\n")
    return FAILED  # noqa: ASYNC910  it was opened, in vain


async def _serve(settings: Settings, registry: Registry) -> int:
    with open_interrupts(1) as arrivals:
        async with trio.open_nursery() as nursery, open_runtime(settings=settings, registry=registry) as runtime:
            addresses: Sequence[str] = ()
            try:
                # The runtime ends the server itself, before it is left: see above.
                addresses = await nursery.start(serve, runtime, settings)  # noqa: ASYNC111
            except* OSError as group:
                for line in _why_not(group, settings):
                    sys.stderr.write(f"callboard: {line}\n")
            if not addresses:
                return FAILED
            _announce(addresses)
            async with trio.open_nursery() as meanwhile:
                meanwhile.start_soon(collect_garbage, lambda: bool(runtime.unfinished()), name="garbage")
                number = await arrivals.receive()
                meanwhile.cancel_scope.cancel()
            logger.info("%s: ending; a second one kills", number.name)
            last_resort = threading.Timer(
                min(settings.shutdown_grace, threading.TIMEOUT_MAX), os._exit, [SIGNALLED + number]
            )
            last_resort.daemon = True
            last_resort.start()
    last_resort.cancel()
    logger.info("ended")
    return COMPLETED


def kept(settings: Settings) -> Settings:
    """Where a server keeps its runs and their files, if nobody says otherwise: as all programs of the user do."""
    state = user_state_path("callboard")
    if settings.journal is None:
        settings = attrs.evolve(settings, journal=f"sqlite:{state / 'callboard.db'}")
    if settings.artifacts is None and settings.journal != "memory:":
        settings = attrs.evolve(settings, artifacts=str(state / "artifacts"))
    return settings


async def run_in_foreground(
    graph: Json,
    *,
    config: Mapping[str, Json],
    settings: Settings,
    registry: Registry,
    as_json: bool,
    needs_start: bool,
) -> int:
    """Run a graph and show it on stdout; returns the exit status.

    Args:
        graph: as a client would send it.
        config: the ExecutionConfig, likewise.
        settings: of the runtime; the journal is in memory and the history kept whatever they say, for it is shown.
        registry: the kinds.
        as_json: the events as JSON lines, and nothing else.
        needs_start: whether a graph without a `start` node is refused.

    Raises:
        BrokenPipeError: in a group; nobody reads stdout any more. The run was stopped.
    """
    settings = attrs.evolve(settings, journal="memory:", history_runs=None, history_days=None)
    interrupted = _Interrupted()
    async with open_spool(sys.stdout) as spool:
        with open_interrupts(2) as arrivals:
            async with open_runtime(settings=settings, registry=registry) as runtime:
                try:
                    run = await runtime.start(graph, config=config, needs_start=needs_start)
                except InvalidWorkflow as error:
                    if as_json:
                        spool.put(refusal(error))
                    else:
                        from actors.terminal import print_problems  # Tables are for those who need one.

                        print_problems(error.problems, file=sys.stderr)
                    return NOT_STARTED
                except (ProtocolError, ActorsError) as error:
                    sys.stderr.write(f"callboard: {error}\n")
                    return NOT_STARTED
                with _screen(spool, run, as_json=as_json) as screen:
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(screen.refresh_forever, name="screen")
                        nursery.start_soon(_steer, arrivals, run, screen, interrupted, name="steer")
                        async for event in run.events():
                            screen.show(event)
                            await spool.room()
                        nursery.cancel_scope.cancel()
    return interrupted.exit_status(run.status)


class _Interrupted:
    """Which signal stopped the run, if any."""

    number: signal.Signals | None = None

    def exit_status(self, status: RunStatus) -> int:
        if status is RunStatus.COMPLETED:
            return COMPLETED
        if status is RunStatus.STOPPED and self.number is not None:
            return SIGNALLED + self.number
        return FAILED


async def _steer(
    arrivals: trio.MemoryReceiveChannel[signal.Signals], run: Run, screen: Screen, interrupted: _Interrupted
) -> None:
    """Turn signals into stops, until cancelled. A stop is not awaited here: the next signal must find this task."""
    async with trio.open_nursery() as nursery:
        async for number in arrivals:
            force = interrupted.number is not None
            interrupted.number = number
            screen.say(
                "stopping by force; once more to leave at once" if force else "stopping; once more to stop by force"
            )
            if force:
                screen.rest()
            nursery.start_soon(partial(_stop, run, force=force), name="stop")


async def _stop(run: Run, *, force: bool) -> None:  # noqa: ASYNC910  a run that has ended answers nobody
    try:
        await run.stop(force=force)
    except ActorsError as error:
        # It ended before it could answer; its ending is shown all the same.
        logger.debug("stop: %s", error)


@contextmanager
def _screen(spool: Spool, run: Run, *, as_json: bool) -> Iterator[Screen]:
    """How the run is shown: as JSON, moving on a terminal, else as lines."""
    if as_json:
        yield JsonScreen(spool)
    elif not spool.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        yield PlainScreen(spool, run.workflow)
    else:
        from actors.terminal import LiveScreen

        screen = LiveScreen(spool, run.workflow, progress=lambda: run.view.progress(at=time.time(), n=0))
        with _logging_to(screen):
            try:
                yield screen
            finally:
                screen.rest()


class _ScreenHandler(logging.Handler):
    """Log records as words of the screen: written to stderr they would tear the picture."""

    def __init__(self, screen: Screen, formatter: logging.Formatter | None) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._screen = screen
        self._token = trio.lowlevel.current_trio_token()

    def emit(self, record: logging.LogRecord) -> None:
        # Always by way of the loop: a record may come from any thread.
        self._token.run_sync_soon(self._screen.say, self.format(record))


@contextmanager
def _logging_to(screen: Screen) -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:]
    root.handlers[:] = [_ScreenHandler(screen, before[0].formatter if before else None)]
    try:
        yield
    finally:
        root.handlers[:] = before


def _announce(addresses: Sequence[str]) -> None:
    """Say on stdout where the server listens: one line per port, so not the ::1 twin of an address."""
    ports = set()
    for address in addresses:
        port = address.rpartition(":")[2]
        if port not in ports:
            ports.add(port)
            sys.stdout.write(f"callboard listening on {address}\n")
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        unplug(sys.stdout)
        logger.warning("nobody reads stdout; serving all the same")


def _why_not(group: BaseExceptionGroup[OSError], settings: Settings) -> Iterator[str]:
    """Why the server cannot listen, for a person, and what to do."""
    ports = ", ".join(map(str, settings.port))
    for error in _leaves(group):
        where = f"can not listen on {settings.host}, port {ports}: {error.strerror or error}"
        match error.errno:
            case errno.EADDRINUSE:
                yield f"{where}. Choose another with --port (0: any free one), or end what listens there"
            case errno.EACCES:
                yield f"{where}. Ports below 1024 are for root; choose another with --port"
            case _:
                yield where


def _leaves(group: BaseExceptionGroup[E]) -> Iterator[E]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
