"""A disk that is full: the server goes on answering, loses nothing, and goes on when there is room."""

import resource
import signal
import sys

import pytest
import trio

from actors.client import connect
from protocol.messages import NodeChanged, RunEnded
from tests.e2e.test_durability import Server, node

pytestmark = pytest.mark.skipif(
    not hasattr(resource, "prlimit"), reason=f"the limits of another process can not be set on {sys.platform}"
)

GRAPH = {
    "nodes": [node("s", "start"), *(node(f"w{n}", "wait", duration=40) for n in range(60))],
    "edges": [{"source": "s" if n == 0 else f"w{n - 1}", "target": f"w{n}"} for n in range(60)],
}


@pytest.fixture
def server(tmp_path):
    """A server of this test; it does not outlive it."""
    found = Server(tmp_path, XDG_STATE_HOME=str(tmp_path / "state"))
    found.start()
    yield found
    found.process.kill()
    found.process.communicate()


def room(server, size):
    """How large a file of the server may become, from now on."""
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


async def until(condition):
    """Wait for what a server in another process does."""
    with trio.fail_after(20):
        while not condition():  # noqa: ASYNC110  nothing announces it here
            await trio.sleep(0.02)


async def test_runs_wait_for_room_and_nothing_is_lost(server):
    """`/health` says degraded and why, commands are answered; with room all goes on, and no event is missing."""

    def ask(method, path):
        return server.ask(method, path)

    async with connect(server.address) as client:
        run = await client.start(GRAPH)
        events = []
        full = trio.Event()

        async def watch():
            async for event in run:
                events.append(event)
                if len(events) == 20:
                    full.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            await full.wait()
            room(server, 0)
            await until(lambda: ask("GET", "/health")[1]["status"] == "degraded")
            assert "callboard.db" in ask("GET", "/health")[1]["reason"]
            seen = len(events)
            reply = await run.pause()
            assert reply.ok
            await trio.sleep(1)
            # What is not durable is not shown; the commits that were under way when the disk was full may be.
            assert len(events) <= seen + 5
            assert not any(isinstance(event, RunEnded) for event in events)
            reply = await run.resume()
            assert reply.ok
            room(server, resource.RLIM_INFINITY)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        done = [event.node_id for event in events if isinstance(event, NodeChanged) and event.status == "success"]
        assert sorted(done) == sorted(["s", *(f"w{n}" for n in range(60))])
        assert isinstance(events[-1], RunEnded)
        assert events[-1].status == "completed"
    assert ask("GET", "/health")[1]["status"] == "healthy"
    assert server.end(signal.SIGTERM)[0] == 0
