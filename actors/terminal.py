"""A run as a person watches it in a terminal: a bar, the nodes, the log above them. And the table of problems.

Theory of operation: `LiveScreen` is told every event and only remembers: the newest status of each node in the order of
change, and the log lines since the last picture. `refresh_forever` is a task that draws. It draws ten times a second at
most, spends no more than a tenth of the time on it, and leaves a picture out while the terminal has not taken the last
one; so ten thousand nodes cost what ten cost. A graph that does not fit shows the nodes that changed last. `rest` ends
the picture for good (the cursor is back) and goes on with plain lines; it may be called again.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TextIO

import trio
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from actors.screen import PlainScreen, describe, ending, node_line, printable
from actors.spool import Spool
from protocol.graph import Problem, Workflow
from protocol.messages import Event, Logged, NodeChanged, Progress, RunChanged, RunEnded, RunStarted
from protocol.states import NODE_ENDED, NodeStatus, RunStatus

__all__ = ["LiveScreen", "print_kinds", "print_problems", "print_runs"]

REFRESH_SECONDS: Final = 0.1
DRAWING_SHARE: Final = 0.1
"""Of the time; the rest belongs to the run."""
OTHER_LINES: Final = 4
"""Of the picture: the bar, an empty line, the shell's prompt."""
LOG_LINES: Final = 200
"""Printed per picture; more are counted."""
WIDTH_OF_FILES: Final = 10_000
"""Columns."""

_STYLES: Final[Mapping[str, str]] = {
    "running": "cyan",
    "success": "green",
    "error": "bold red",
    "skipped": "dim",
    "pending": "dim",
    "warn": "yellow",
    "warning": "yellow",
    "debug": "dim",
    "completed": "bold green",
    "failed": "bold red",
    "stopped": "bold yellow",
    "pausing": "yellow",
    "paused": "yellow",
    "stopping": "yellow",
    "failing": "red",
    "abandoned": "bold red",
}
_SIGNS: Final[Mapping[str, str]] = {"running": "▶", "success": "✓", "error": "✗", "skipped": "–", "pending": "·"}


class LiveScreen:
    """A moving picture of one run.

    Args:
        spool: where it is drawn; a terminal.
        workflow: the graph.
        progress: how far the run is now.
    """

    def __init__(self, spool: Spool, workflow: Workflow, *, progress: Callable[[], Progress]) -> None:
        self._spool = spool
        self._workflow = workflow
        self._progress = progress
        self._status = RunStatus.PENDING
        self._nodes: dict[str, NodeChanged] = {}
        self._lines: deque[tuple[str, str]] = deque()
        self._unseen = 0
        self._plain = PlainScreen(spool, workflow)
        self._console = Console(file=spool, highlight=False, soft_wrap=False)  # type: ignore[arg-type]  # enough of IO
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            transient=True,
        )
        self._live.start()

    def show(self, event: Event) -> None:
        """Remember the event for the next picture; the ending is printed at once, beneath the last one."""
        if not self._live.is_started:
            self._plain.show(event)
            return
        match event:
            case NodeChanged():
                self._nodes.pop(event.node_id, None)
                self._nodes[event.node_id] = event
            case RunEnded():
                self._status = event.status
                self._end(event)
            case RunChanged():
                self._status = event.status
            case RunStarted():
                self._status = event.status
                self._remember(describe(event, self._workflow))
            case Logged():
                self._remember(describe(event, self._workflow))

    def say(self, text: str) -> None:
        """Say it above the picture."""
        if self._live.is_started:
            self._remember([("", text)])
        else:
            self._plain.say(text)

    def rest(self) -> None:
        """End the picture; what follows is plain lines."""
        if self._live.is_started:
            self._print_lines()
            self._live.stop()

    def draw(self) -> None:
        """Draw what is known now, the new log lines above it."""
        if self._live.is_started:
            self._print_lines()
            self._live.update(self._picture(), refresh=True)

    async def refresh_forever(self) -> None:
        """Draw until cancelled."""
        while True:
            began = time.perf_counter()
            if not self._spool.pending:
                self.draw()
            drawing = time.perf_counter() - began
            await trio.sleep(max(REFRESH_SECONDS, drawing / DRAWING_SHARE))

    def _remember(self, lines: Sequence[tuple[str, str]]) -> None:
        self._lines.extend(lines)
        while len(self._lines) > LOG_LINES:
            self._lines.popleft()
            self._unseen += 1

    def _print_lines(self) -> None:
        if self._unseen:
            self._console.print(Text(f"… {self._unseen} lines not shown; --json has all of them", style="dim"))
            self._unseen = 0
        if self._lines:
            self._console.print(Text("\n").join(_line(word, text) for word, text in self._lines))
            self._lines.clear()

    def _end(self, event: RunEnded) -> None:
        """The last picture stays: the nodes as they ended, and the ending beneath."""
        self._print_lines()
        self._live.stop()
        self._console.print(self._table())
        self._console.print(Text("\n").join(_line(word, text) for word, text in ending(event)))

    def _picture(self) -> RenderableType:
        progress = self._progress()
        figures = f" {progress.completed_nodes}/{progress.total_nodes} nodes  {progress.progress:3.0f} %"
        if progress.estimated_time_remaining is not None:
            figures += f"  about {progress.estimated_time_remaining:.0f} s left"
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            Text(str(self._status), style=_STYLES.get(self._status, "")),
            ProgressBar(total=100, completed=progress.progress, width=max(10, min(40, self._console.width - 50))),
            Text(figures),
        )
        return Group(self._table(), bar)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 1))
        for _ in range(2):
            table.add_column(no_wrap=True, overflow="ellipsis")
        for status, text in self._rows(max(3, self._console.height - OTHER_LINES)):
            style = _STYLES.get(status, "")
            table.add_row(Text(_SIGNS.get(status, " "), style=style), Text(text, style=style))
        return table

    def _rows(self, limit: int) -> Iterator[tuple[str, str]]:
        """All nodes in document order if they fit; else those that changed last, the running ones first."""
        nodes = self._workflow.nodes
        if len(nodes) <= limit:
            for name, node in nodes.items():
                event = self._nodes.get(name)
                if event is None:
                    yield "pending", printable(f"{name} ({node.label})" if node.label not in ("", name) else name)
                else:
                    yield event.status, self._node(event)
            return
        last = []
        for event in reversed(self._nodes.values()):
            last.append(event)
            if len(last) == limit - 1:
                break
        for event in sorted(last, key=lambda event: event.status in NODE_ENDED):
            yield event.status, self._node(event)
        yield "", f"… {len(nodes) - len(last):,} more"

    def _node(self, event: NodeChanged) -> str:
        """A node and how it does; of one that runs for a while, how long."""
        text = node_line(event, self._workflow)
        if event.status is NodeStatus.RUNNING and (ran := time.time() - event.at) >= 1:
            text += f", {ran:.0f} s"
        return text


def print_problems(problems: Sequence[Problem], *, file: TextIO) -> None:
    """What is wrong with a graph, as a table with one row each."""
    rows = [
        (Text(problem.severity, style=_STYLES[problem.severity]), problem.code, problem.path, problem.message)
        for problem in problems
    ]
    _print_table(("severity", "code", "path", "message"), rows, file=file)


def print_kinds(kinds: Sequence[tuple[str, str, str]], *, file: TextIO) -> None:
    """The registered kinds as a table of (name, ports, description)."""
    _print_table(("kind", "ports", "does"), kinds, file=file)


_UNBROKEN: Final = frozenset({"severity", "code", "kind", "run", "status", "started"})
"""Columns whose cells are copied or grepped."""


def print_runs(runs: Sequence[tuple[str, str, str, str, str]], *, file: TextIO) -> None:
    """Runs as a table of (run, workflow, status, start, duration and error)."""
    _print_table(("run", "workflow", "status", "started", "took"), runs, file=file)


def _print_table(head: Sequence[str], rows: Iterable[Sequence[str | Text]], *, file: TextIO) -> None:
    # A file or a pipe has no width: rows are for grep there, not to be folded.
    console = Console(file=file, highlight=False, width=None if file.isatty() else WIDTH_OF_FILES)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in head:
        table.add_column(name, overflow="fold", no_wrap=name in _UNBROKEN)
    for row in rows:
        table.add_row(*(Text(printable(cell)) if isinstance(cell, str) else cell for cell in row))
    console.print(table)


def _line(word: str, text: str) -> Text:
    return Text.assemble((f"{word:<9}", _STYLES.get(word, "")), "  ", text)
