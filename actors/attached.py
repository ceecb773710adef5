"""What the command line does at a server that runs already: watch a run, steer it, look at what was.

Theory of operation: each command is one client (`actors.client`) for as long as it takes, and ends with it; the run
goes on whatever becomes of the command. A server that can not be reached in `PATIENCE_SECONDS` is an error; once it was
reached, `watch` stays through everything, a restart of the server included. What is printed goes through a spool, so a
slow reader of stdout delays nothing but this command.
"""

import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Literal

import attrs
import trio

from actors.client import Client, ClientState, RemoteRun, connect
from actors.errors import ActorsError, ServerUnreachable
from actors.interrupts import open_interrupts
from actors.screen import JsonScreen, PlainScreen, Screen, spell_duration
from actors.spool import Spool, open_spool
from protocol.dialects import DIALECTS
from protocol.dialects.text import dumps
from protocol.messages import ControlReply, RunList, RunSummary
from protocol.states import ENDED, RunStatus

__all__ = ["Where", "breakpoints", "list_history", "show_history", "steer", "watch"]

PATIENCE_SECONDS: Final = 2.0
"""For the first connection."""

PAGE: Final = 100
"""Runs that are asked for at a time."""

COMPLETED: Final = 0
FAILED: Final = 1
NOT_DONE: Final = 2
SIGNALLED: Final = 128
"""Plus the number of the signal."""


@attrs.frozen
class Where:
    """Which server, and what it wants to be told."""

    url: str
    token: str | None = attrs.field(default=None, repr=False)


async def watch(where: Where, name: str, *, as_json: bool) -> int:
    """Print the events of a run as they come, from its first to its ending.

    Args:
        where: the server.
        name: the id of the run, or of a workflow: its latest run.
        as_json: the events as JSON lines, and nothing else.

    Returns:
        the exit status: 0 completed, 1 failed or stopped, 2 there is no such run or server, 128 + n after a signal.
    """
    with open_interrupts(2) as arrivals:
        async with trio.open_nursery() as nursery:
            left: list[signal.Signals] = []

            async def leave() -> None:
                left.append(await arrivals.receive())
                nursery.cancel_scope.cancel()

            nursery.start_soon(leave, name="leave")
            status = await _at(where, partial(_watch, name=name, as_json=as_json))
            nursery.cancel_scope.cancel()
    if left:
        sys.stderr.write("callboard: not watched any more; the run goes on\n")
        return SIGNALLED + left[0]
    return status


async def steer(where: Where, name: str, action: Literal["pause", "resume", "stop"], **how: Any) -> int:
    """Pause, resume or stop a run, and say what became of it.

    Args:
        where: the server.
        name: the id of the run, or of a workflow: its latest run.
        action: what to do.
        how: `mode` of a pause, `step` of a resume, `force` of a stop.

    Returns:
        the exit status: 0 accepted, 1 refused, 2 there is no such run or server.
    """
    return await _at(where, partial(_steer, name=name, action=action, how=how))


async def breakpoints(where: Where, name: str, node_ids: Sequence[str] | None) -> int:
    """Set the breakpoints of a run, and say which hold then.

    Args:
        where: the server.
        name: the id of the run, or of a workflow: its latest run.
        node_ids: all that are to hold; None: those that do stay as they are.

    Returns:
        the exit status: 0 accepted, 1 refused, 2 there is no such run or server.
    """
    return await _at(where, partial(_breakpoints, name=name, node_ids=node_ids))


async def list_history(where: Where, *, status: RunStatus | None, workflow_id: str, limit: int, as_json: bool) -> int:
    """Print the runs that a server knows, newest first.

    Args:
        where: the server.
        status: only those in this state.
        workflow_id: only those of this workflow; "": of all.
        limit: how many at most.
        as_json: one line of JSON each.
    """
    return await _at(where, partial(_list, status=status, workflow_id=workflow_id, limit=limit, as_json=as_json))


async def show_history(where: Where, name: str, *, as_json: bool) -> int:
    """Print the events that a run has had so far. Arguments and exit status as `watch`; a run that goes on is 0."""
    return await _at(where, partial(_show, name=name, as_json=as_json))


async def _at(where: Where, command: Callable[[Client], Coroutine[Any, Any, int]]) -> int:
    """Do something with a client; what is wrong is told on stderr."""
    try:
        async with _client(where) as client:
            return await command(client)
    except* (ActorsError, ValueError) as group:
        for error in group.exceptions:
            sys.stderr.write(f"callboard: {error}\n")
    return NOT_DONE  # noqa: ASYNC910  the client awaits


@asynccontextmanager
async def _client(where: Where) -> AsyncIterator[Client]:
    """A client that has reached its server."""
    async with connect(where.url, token=where.token) as client:
        with trio.move_on_after(PATIENCE_SECONDS) as patience:
            reached = await client.wait_for(ClientState.LIVE, ClientState.REPLAYING, ClientState.CLOSED)
        if patience.cancelled_caught:
            raise ServerUnreachable(f"no callboard answers at {where.url}; is it running? --server names another")
        if reached is ClientState.CLOSED:
            client.check()
        yield client


async def _find(client: Client, name: str) -> RemoteRun:
    """The run that is meant. An id that nobody knows is told when it is used."""
    page = await client.list_runs(workflow_id=name, limit=1)
    return client.run(run_id=page.runs[0].run_id if page.runs else name)


async def _watch(client: Client, *, name: str, as_json: bool) -> int:
    run = await _find(client, name)
    async with open_spool(sys.stdout) as spool:
        screen = _screen(spool, as_json=as_json)
        async for event in run:
            screen.show(event)
            await spool.room()
    return COMPLETED if run.status is RunStatus.COMPLETED else FAILED


async def _show(client: Client, *, name: str, as_json: bool) -> int:
    run = await _find(client, name)
    assert run.id is not None  # noqa: S101  it was named
    until = (await client.snapshot(run_id=run.id)).last_seq
    async with open_spool(sys.stdout) as spool:
        screen = _screen(spool, as_json=as_json)
        if until:
            async for event in run:
                screen.show(event)
                await spool.room()
                if event.seq >= until:
                    break
    return FAILED if run.status in ENDED and run.status is not RunStatus.COMPLETED else COMPLETED


async def _steer(client: Client, *, name: str, action: Literal["pause", "resume", "stop"], how: dict[str, Any]) -> int:
    run = await _find(client, name)
    reply: ControlReply = await getattr(run, action)(**how)
    if not reply.ok:
        sys.stderr.write(f"callboard: {action} of run {run.id} refused: {reply.error}\n")
        return FAILED
    changed = f"{reply.was} → {reply.status}" if reply.was != reply.status else f"{reply.status} already"
    sys.stdout.write(f"run {run.id}: {changed}\n")
    return COMPLETED


async def _breakpoints(client: Client, *, name: str, node_ids: Sequence[str] | None) -> int:
    run = await _find(client, name)
    if node_ids is None:
        held = (await client.snapshot(run_id=run.id)).breakpoints
    else:
        reply = await run.set_breakpoints(node_ids)
        if not reply.ok:
            sys.stderr.write(f"callboard: breakpoints of run {run.id} refused: {reply.error}\n")
            return FAILED
        held = reply.breakpoints or ()
    said = f"breakpoints {', '.join(held)}" if held else "no breakpoints"
    sys.stdout.write(f"run {run.id}: {said}\n")
    return COMPLETED


async def _list(  # noqa: ASYNC910  at least one run is asked for
    client: Client, *, status: RunStatus | None, workflow_id: str, limit: int, as_json: bool
) -> int:
    runs: list[RunSummary] = []
    cursor: str | None = None
    while len(runs) < limit:
        page = await client.list_runs(
            status=status, workflow_id=workflow_id, limit=min(PAGE, limit - len(runs)), cursor=cursor
        )
        runs += page.runs
        cursor = page.next_cursor
        if cursor is None:
            break
    if as_json:
        for run in runs:
            (row,) = DIALECTS["snake"].body(RunList(runs=(run,)))["payload"]["runs"]
            sys.stdout.write(f"{dumps(row).decode()}\n")
        return COMPLETED  # noqa: ASYNC910  ditto
    from actors.terminal import print_runs  # Tables are for those who need one.

    print_runs(
        [(run.run_id, run.workflow_id, run.status, _when(run.created_at), _lasted(run)) for run in runs],
        file=sys.stdout,
    )
    return COMPLETED  # noqa: ASYNC910  ditto


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _lasted(run: RunSummary) -> str:
    told = "" if run.ended_at is None else spell_duration(run.ended_at - run.created_at)
    return f"{told}  {run.error}" if run.error else told


def _screen(spool: Spool, *, as_json: bool) -> Screen:
    return JsonScreen(spool) if as_json else PlainScreen(spool, None)
