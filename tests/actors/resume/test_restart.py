"""A server is killed, or ends, and the next one on its journal goes on: with its runs, and with who heard them."""

import orjson
import pytest
import trio
from trio.testing import wait_all_tasks_blocked


async def told_of_the_end(peer):
    """Wait for the end of the run, and a little longer."""
    await peer.until("execution.complete", "workflow_completed")
    await trio.sleep(2)


async def test_a_naive_client_finds_its_place_after_a_kill(open_port, journal, autojump_clock):
    """It only reconnects with its id: the run goes on, and what it has not shown to have got is told."""
    async with open_port(journal=journal) as port:
        first = await port.peer("/ws/me")
        await first.say("workflow.start", **port.flow(8000, 5000))
        await trio.sleep(3)
        proven = first.seqs[-1]
        # How far it is is written down a little later; only then it counts.
        await trio.sleep(4)
        first.pongs = False
        await first.until("node.running", node_id="w1")
        left = await journal.copy()
    async with open_port(journal=left) as port:
        back = await port.peer("/ws/me")
        await told_of_the_end(back)
        assert port.gapless(back.seqs, proven + 1)


async def test_a_graceful_end_writes_down_how_far_everybody_is(open_port, journal, autojump_clock):
    """Nothing of what had surely arrived is told again."""
    async with open_port(journal=journal) as port:
        first = await port.peer("/ws/me")
        await first.say("workflow.start", **port.flow(60_000))
        await trio.sleep(2)
        seen = first.seqs[-1]
        left = journal
    left = await left.copy()
    async with open_port(journal=left) as port:
        back = await port.peer("/ws/me")
        await told_of_the_end(back)
        assert port.gapless(back.seqs, seen + 1)


async def test_a_starter_is_known_even_if_its_session_was_not_written(open_port, journal, autojump_clock):
    """Killed between the start and the writing of the session: as soon as its dialect is known it hears its run."""
    async with open_port(journal=journal) as port:
        first = await port.peer("/ws/me")
        await first.say("workflow.start", **port.flow(5000))
        await first.until("workflow.start")
        left = await journal.copy()
        left._sessions.clear()
    async with open_port(journal=left) as port:
        for path in ("/ws/me", "/ws/me?dialect=snake"):
            back = await port.peer(path)
            if "dialect" not in path:
                assert (await back.until("connection_established"))["resumed"] is True
                await back.say("heartbeat", "")
            await back.until("node.running", node_id="w0")
            assert port.gapless(back.seqs, 1)
            back.pongs = False
            await port.away(back)


async def test_a_session_that_was_written_before_its_newest_run_hears_that_one_too(open_port, journal, autojump_clock):
    """What was written down is too old to know the run; the run knows its starter."""
    async with open_port(journal=journal) as port:
        first = await port.peer("/ws/me")
        await first.say("workflow.start", "v", **port.flow(9000))
        await trio.sleep(1)
        before = dict(journal._sessions)
        await first.say("workflow.start", "w", **port.flow(9000))
        await first.until("workflow.start", workflow_id="w")
        left = await journal.copy()
        left._sessions.update(before)
    async with open_port(journal=left) as port:
        back = await port.peer("/ws/me")
        for workflow_id in ("v", "w"):
            await back.until("execution.complete", workflow_id=workflow_id)
            assert port.gapless([m["seq"] for m in back.heard if m.get("seq") and m["workflow_id"] == workflow_id], 1)


async def test_a_flat_client_is_told_that_it_is_resumed(open_port, journal, autojump_clock):
    """Its dialect is remembered, too."""
    async with open_port(journal=journal) as port:
        first = await port.peer("/ws/me")
        await first.tell({"type": "execute_workflow", "id": "1", "workflow": {"id": "w", **port.flow(5000)}})
        await first.until("node_status_update", status="running")
        left = await journal.copy()
    async with open_port(journal=left) as port:
        back = await port.peer("/ws/me")
        await told_of_the_end(back)
        assert (back.heard[0]["type"], back.heard[0]["resumed"]) == ("connection_established", True)
        assert "payload" not in back.heard[0]


async def test_the_window_counts_again_from_the_start(open_port, journal, autojump_clock):
    """`onDisconnect` of a run that another process left: its starter has as long to come back as from any drop."""
    async with open_port(journal=journal) as port:
        first = await port.peer("/ws/me")
        await first.say("workflow.start", **port.flow(1_000_000), config={"onDisconnect": "stop"})
        run_id = (await first.until("workflow.start"))["run_id"]
        await port.away(first)
        await trio.sleep(100)
        left = await journal.copy()
    async with open_port(journal=left) as port:
        await trio.sleep(119)
        assert port.house.runtime.run(run_id) is not None
        await trio.sleep(2)
        assert (await port.house.runtime.snapshot(run_id)).status == "stopped"
        assert await left.list_sessions() == []


async def test_a_position_of_another_life_of_the_journal_says_nothing(open_port, journal, autojump_clock):
    """The journal was put back to an older state: the session is told all that there is."""
    async with open_port(journal=journal) as port:
        first = await port.peer("/ws/me")
        await first.say("workflow.start", **port.flow(5000))
        await first.until("node.running", node_id="w0")
        left = await journal.copy()
        ((session_id, body),) = await left.list_sessions()
        run_id = first.heard[-1]["run_id"]
        old = orjson.loads(body)
        old["standing"]["positions"][run_id] = 999
        await left.put_session(session_id, orjson.dumps(old))
    async with open_port(journal=left) as port:
        back = await port.peer("/ws/me")
        await told_of_the_end(back)
        assert port.gapless(back.seqs, 1)


async def test_a_run_that_ended_before_the_restart_is_answered_as_any(open_port, journal, autojump_clock):
    """pause: refused, naming its status; stop: its ending; subscribe, snapshot and HTTP: as before."""
    async with open_port(journal=journal) as port:
        first = await port.peer("/ws/other?dialect=snake")
        await first.say("workflow.start", **port.flow(100))
        ending = await first.until("execution.complete")
        left = await journal.copy()
    async with open_port(journal=left) as port:
        peer = await port.peer()
        await peer.say("workflow.pause")
        refused = await peer.until("workflow.pause")
        assert (refused["payload"]["ok"], refused["payload"]["status"]) == (False, "completed")
        await peer.say("workflow.stop")
        stopped = await peer.until("workflow.stop")
        assert (stopped["payload"]["ok"], stopped["payload"]["summary"]) == (True, ending["payload"]["summary"])
        await peer.say("node.input", node_id="w0", value=1)
        assert (await peer.until("node.input"))["payload"]["ok"] is False
        await peer.say("workflow.snapshot")
        assert (await peer.until("workflow.snapshot"))["payload"]["status"] == "completed"
        await peer.say("workflow.subscribe", after_seq=0)
        assert await peer.until("execution.complete") == ending
        assert port.gapless(peer.seqs, 1)
        run_id = ending["run_id"]
        assert (await port.house.call(f"POST /api/runs/{run_id}/stop"))[0] == 200
        assert (await port.house.call(f"POST /api/runs/{run_id}/resume"))[0] == 409
        assert (await port.house.call(f"GET /api/runs/{run_id}/nodes/w0"))[2]["status"] == "success"
        assert (await port.house.call("POST /api/runs/nobody/stop"))[0] == 404


@pytest.mark.parametrize("wait", [100, 60_000])
async def test_the_same_start_is_the_same_run_across_a_restart(open_port, journal, autojump_clock, wait):
    """With a request id: nothing is started again, whether the run has ended or goes on."""
    async with open_port(journal=journal) as port:
        first = await port.peer("/ws/me?dialect=snake")
        await first.say("workflow.start", **port.flow(wait), request_id="once")
        started = await first.until("workflow.start")
        await port.house.call("POST /api/runs", orjson.dumps({"request_id": "posted", **port.flow(wait)}))
        await trio.sleep(5)
        left = await journal.copy()
    async with open_port(journal=left) as port:
        back = await port.peer("/ws/me?dialect=snake")
        await back.say("workflow.start", **port.flow(wait), request_id="once")
        assert await back.until("workflow.start") == started
        await back.until("execution.complete")
        status, _, said = await port.house.call(
            "POST /api/runs", orjson.dumps({"request_id": "posted", **port.flow(wait)})
        )
        assert (status, said["status"]) == (200, "running")
        assert len((await left.list_runs()).runs) == 2


async def test_a_run_that_only_the_journal_knows_stands_in_the_way_of_a_start(open_port, journal, autojump_clock):
    """Another server executes it: the start is refused late, by its request id too, and the run is heard."""
    async with open_port(journal=journal) as port:
        await port.house.runtime.start(port.flow(60_000), workflow_id="w", run_id="theirs")
        copy = await journal.copy()
        (claim,) = await copy.claim(lease=1e9)
        async with open_port(journal=copy) as other:
            peer = await other.peer()
            for request_id in (None, "once", "once"):
                await peer.say("workflow.start", **port.flow(1), request_id=request_id)
                await wait_all_tasks_blocked()
            refused = [m for m in peer.heard if m["type"] == "execution.log" and "seq" not in m]
            assert [(m["payload"]["level"], m["payload"]["reply_to"]) for m in refused] == [
                ("warn", "workflow.start")
            ] * 3
            await trio.sleep(1)
            assert {m["run_id"] for m in peer.heard if "seq" in m} == {"theirs"}
            assert port.gapless(peer.seqs, 1)
        assert claim.run_id == "theirs"


async def test_sessions_are_in_the_journal_only_while_they_hear_a_run_that_goes_on(open_port, journal, autojump_clock):
    """Not before, and not when its ending has arrived; nor those that only wait."""
    async with open_port(journal=journal) as port:
        watcher = await port.peer("/ws/watcher?dialect=snake")
        await watcher.say("workflow.subscribe", "never")
        first = await port.peer("/ws/me?dialect=snake")
        await trio.sleep(20)
        assert await journal.list_sessions() == []
        await first.say("workflow.start", **port.flow(20_000))
        await trio.sleep(1)
        assert [name for name, _ in await journal.list_sessions()] == ["me"]
        await first.until("execution.complete")
        await trio.sleep(10)
        assert await journal.list_sessions() == []


async def test_a_session_in_the_journal_that_can_not_be_read_is_deleted(open_port, journal, autojump_clock):
    """Of another version, perhaps: it costs a session, not the server."""
    await journal.put_session("odd", b"[1]")
    async with open_port(journal=journal):
        await trio.sleep(1)
    assert await journal.list_sessions() == []
