"""The moving picture of a run: what is on it, that it stays cheap, and that the terminal is whole afterwards."""

import io
import re
import threading

import pytest
import trio

from actors.screen import describe
from actors.spool import open_spool
from actors.terminal import LOG_LINES, LiveScreen, print_kinds, print_problems
from protocol.graph import Problem, validate
from protocol.messages import Logged, NodeChanged, Progress, RunEnded, RunStarted, Summary
from protocol.states import NodeStatus, RunStatus

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


class Tty(io.TextIOWrapper):
    """A file that says it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    """Of a known size."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "20")
    monkeypatch.delenv("NO_COLOR", raising=False)


def chain(count):
    """A graph of so many nodes."""
    nodes = [{"id": f"n{number}", "type": "log", "data": {"label": f"Step {number}"}} for number in range(count)]
    edges = [{"source": f"n{number}", "target": f"n{number + 1}"} for number in range(count - 1)]
    return validate({"nodes": nodes, "edges": edges}, {}, dry_run=True).workflow


def changed(number, status, seq=2):
    """A node's event."""
    return NodeChanged(run_id="r", workflow_id="w", seq=seq, at=1.0, node_id=f"n{number}", status=NodeStatus(status))


def progress():
    """Half way."""
    return Progress(
        run_id="r",
        workflow_id="w",
        at=1.0,
        n=1,
        total_nodes=10,
        completed_nodes=5,
        current_node="n5",
        progress=50.0,
        estimated_time_remaining=12.0,
    )


def ended():
    """A completed run."""
    summary = Summary(
        status=RunStatus.COMPLETED,
        duration=1.0,
        total_nodes=10,
        succeeded=10,
        failed=0,
        skipped=0,
        not_begun=0,
        started_at=1.0,
        ended_at=2.0,
    )
    return RunEnded(
        run_id="r", workflow_id="w", seq=99, at=2.0, status=RunStatus.COMPLETED, message="", summary=summary
    )


async def watched(workflow, act):
    """What a terminal gets while `act(screen)` happens, then a picture is drawn, then it rests."""
    raw = io.BytesIO()
    async with open_spool(Tty(raw, encoding="utf-8")) as spool:
        screen = LiveScreen(spool, workflow, progress=progress)
        act(screen)
        screen.draw()
        screen.rest()
    return raw.getvalue().decode()


def plain(text):
    """Without the escape sequences."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


async def test_a_small_graph_is_shown_whole():
    """Every node in the order of the document with its state, the bar beneath."""

    def act(screen):
        screen.show(RunStarted(run_id="r", workflow_id="w", seq=1, at=1.0, total_nodes=10))
        screen.show(changed(0, "success"))
        screen.show(changed(1, "running"))

    text = plain(await watched(chain(3), act))
    assert "✓ n0 (Step 0)" in text
    assert "▶ n1 (Step 1)" in text
    assert "· n2 (Step 2)" in text
    assert "5/10 nodes   50 %  about 12 s left" in text
    assert text.index("n0 (") < text.index("n1 (") < text.index("n2 (") < text.index("5/10")


async def test_a_large_graph_shows_what_changed_last_and_fits():
    """The running nodes first; ten thousand nodes fill no more than the window."""

    def act(screen):
        for number in range(10_000):
            screen.show(changed(number, "running"))
            if number != 9_990:
                screen.show(changed(number, "success"))

    text = plain(await watched(chain(10_000), act))
    rows = [line for line in text.splitlines() if "(Step" in line]
    assert 3 < len(set(rows)) < 20
    assert "▶ n9990 (Step 9990)" in rows[0]
    assert "✓ n9999 (Step 9999)" in text
    assert "more" in text


class Stalled(io.RawIOBase):
    """A terminal after Ctrl-S."""

    name = "tty"

    def __init__(self):
        self.goes_on = threading.Event()

    def writable(self):
        return True

    def write(self, data):
        self.goes_on.wait(10)
        return len(data)


async def test_a_terminal_that_takes_nothing_gets_no_more_pictures(autojump_clock):
    """An hour of Ctrl-S costs no memory."""
    raw = Stalled()
    async with open_spool(Tty(raw, encoding="utf-8")) as spool, trio.open_nursery() as nursery:
        screen = LiveScreen(spool, chain(10_000), progress=progress)
        nursery.start_soon(screen.refresh_forever)
        await trio.sleep(3600)
        assert spool.pending < 10_000
        nursery.cancel_scope.cancel()
        raw.goes_on.set()


async def test_log_lines_are_bounded_and_what_is_left_out_is_counted():
    """A chatty node does not fill the memory between two pictures."""

    def act(screen):
        for number in range(LOG_LINES + 50):
            screen.show(
                Logged(run_id="r", workflow_id="w", seq=number, at=1.0, level="info", message=f"line {number}.")
            )

    text = plain(await watched(chain(3), act))
    assert "… 50 lines not shown" in text
    assert "line 49." not in text
    assert f"line {LOG_LINES + 49}." in text


async def test_the_ending_stays_on_the_screen():
    """The nodes as they ended, then the figures; nothing moves afterwards."""

    def act(screen):
        screen.show(changed(0, "error"))
        screen.show(ended())

    text = plain(await watched(chain(3), act))
    assert text.count("✗ n0 (Step 0)") == 1
    assert text.rstrip().endswith("10 nodes in 1.00 s: 10 succeeded")


async def test_the_cursor_comes_back():
    """However the run ends, and also twice."""

    def act(screen):
        screen.rest()
        screen.rest()

    text = await watched(chain(3), act)
    assert text.count(HIDE) == text.count(SHOW) == 1


async def test_at_rest_events_are_lines():
    """After the second Ctrl-C, for example."""
    event = changed(1, "success")

    def act(screen):
        screen.rest()
        screen.show(event)
        screen.say("leaving")

    text = plain(await watched(chain(3), act))
    ((_, line),) = describe(event, chain(3))
    assert line in text
    assert "leaving" in text


async def test_markup_in_a_label_is_text():
    """`[red]` is what the user wrote, no colour."""

    def act(screen):
        screen.show(Logged(run_id="r", workflow_id="w", seq=1, at=1.0, level="info", message="[red]a[/red] \x1b[2J"))

    text = await watched(chain(3), act)
    assert "[red]a[/red]" in text
    assert "\x1b[2J" not in text


def test_problems_are_a_table_that_grep_can_read():
    """One line each when nobody looks at it, whatever the length of the message."""
    file = io.StringIO()
    problems = [
        Problem(code="cycle", message="x" * 300, path="nodes[3]"),
        Problem(code="unreachable", message="[b]why[/b]", path="nodes[4]", severity="warning"),
    ]
    print_problems(problems, file=file)
    lines = [line.split() for line in file.getvalue().splitlines()]
    assert lines == [
        ["severity", "code", "path", "message"],
        ["error", "cycle", "nodes[3]", "x" * 300],
        ["warning", "unreachable", "nodes[4]", "[b]why[/b]"],
    ]


def test_kinds_are_a_table():
    """Name, control ports, what it does."""
    file = io.StringIO()
    print_kinds([("condition", "true, false", "Decides."), ("wait", "", "Waits.")], file=file)
    assert [line.split() for line in file.getvalue().splitlines()][1:] == [
        ["condition", "true,", "false", "Decides."],
        ["wait", "Waits."],
    ]
