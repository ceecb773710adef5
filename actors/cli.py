"""The command line: here `serve`, `run`, `chaos`, `validate`, `kinds`, `doctor`; elsewhere `watch`, `pause` and so on.

Theory of operation: a command reads its arguments into `Settings` and a graph, and hands over to `actors.foreground`,
`actors.attached` or `actors.explored`; nothing here lives longer than that. What takes long to import is imported by
the command that needs it: `--help` and the completion of a shell are not to wait for a server, nor a server for the
drawing of tables.

Exit statuses: 0 well; 1 the run failed, an invariant is broken, the graph has errors, the port is taken; 2 nothing was
started: usage, settings, an unreadable file, a graph that cannot start; 130 and 143 ended by SIGINT and SIGTERM; 141
nobody reads the stdout of a run.
"""

import json
import logging
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal

import attrs
import click

from actors import arguments
from actors.document import Document
from actors.errors import ActorsError, SettingsError
from actors.settings import Settings
from actors.sources import load_settings
from protocol.errors import BadField
from protocol.execution import ExecutionConfig, parse_execution_config
from protocol.graph import Limits, Problem, Validation, validate
from protocol.states import RunStatus

if TYPE_CHECKING:
    from actors.registry import Registry

__all__ = ["main"]

FAILED: Final = 1
INTERRUPTED: Final = 128 + signal.SIGINT
NOT_STARTED: Final = 2
STDIN: Final = "<stdin>"
NO_READER: Final = 128 + 13
"""13 is SIGPIPE, which Python turns into an exception."""
LOG_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
FOREIGN_LOGS: Final = "trio-websocket"
"""Logs whole requests at debug, tokens in queries included."""


def main() -> int:
    """Run the command that the arguments name; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a label must not fail on an ASCII terminal
    try:
        return int(cli(standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except SettingsError as error:
        for line in str(error).splitlines():
            click.echo(f"callboard: {line}", err=True)
        return NOT_STARTED
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="callboard", prog_name="callboard", message="%(prog)s %(version)s")
def cli() -> None:
    """Run node-graph workflows, and let people watch and steer them live."""


@cli.command("serve")
@arguments.settings_file
@arguments.setting_flags
def serve_command(config: str | None, **flags: Any) -> int:
    """Serve HTTP and WebSocket until SIGTERM or Ctrl-C.

    \b
    Prints `callboard listening on http://HOST:PORT` once it accepts, one line per port.
    The first signal ends it gracefully, a second one kills.
    A setting comes from its flag, else from CALLBOARD_<NAME>, else from the file, else it has its default.
    Durations may be written 10s, 250ms or 2m, sizes 256KiB or 16MiB.

    \b
    Exit status: 0 ended by a signal; 1 the address can not be listened on; 2 wrong settings.
    """  # noqa: D301  click has to see the backspace
    settings = _settings(flags, config=config)
    from actors.foreground import serve_in_foreground

    return _in_trio(partial(serve_in_foreground, settings, registry=_registry()))


@cli.command("run")
@arguments.file
@arguments.as_json
@arguments.dry_run
@arguments.execution_flags
@arguments.settings_file
@arguments.setting_flag(attrs.fields(Settings).artifacts)
@click.option("--log-level", default="warning", show_default=True, metavar="LEVEL", help="What is logged on stderr.")
def run_command(
    *,
    file: BinaryIO,
    as_json: bool,
    dry_run: bool,
    execution: arguments.Execution,
    config: str | None,
    **flags: Any,
) -> int:
    """Run the graph in FILE (`-`: stdin) here and now, and show how it goes.

    FILE holds `{"nodes": […], "edges": […]}`, perhaps with a `config`, or the message that would start it on a server.
    On a terminal the nodes are shown as they change; elsewhere each event is a line; with --json each event is the
    message that a subscriber would get, in the snake dialect.

    Ctrl-C stops the run and shows its ending; a second one stops it by force, a third leaves at once.

    \b
    Exit status: 0 completed; 1 failed; 2 not started (usage, settings, an invalid graph);
    130 stopped by Ctrl-C, 143 by SIGTERM; 141 nobody reads stdout any more.
    """  # noqa: D301  click has to see the backspace
    settings = _settings(flags, config=config)
    document = arguments.document(file)
    asked = execution.over(document.config)
    if dry_run:
        asked["dryRun"] = True
    from actors.foreground import run_in_foreground

    return _in_trio(
        partial(
            run_in_foreground,
            document.graph,
            config=asked,
            settings=settings,
            registry=_registry(),
            as_json=as_json,
            needs_start=document.needs_start,
        )
    )


@cli.command("chaos")
@arguments.file
@arguments.as_json
@click.option(
    "--live", is_flag=True, help="Run the nodes for real: what they do outside of it they do once for each injection!"
)
@arguments.execution_flags
@click.option("--runs", type=click.IntRange(min=1), metavar="N", help="Injections at most.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="S",
    help="Real seconds at most.",
)
@click.option("--global", "everywhere", is_flag=True, help="After steps of all tasks, not of the node and run alone.")
@click.option("--replay", "injection", metavar="ID", help="Make this one injection again.")
@arguments.settings_file
def chaos_command(
    *,
    file: BinaryIO,
    as_json: bool,
    live: bool,
    execution: arguments.Execution,
    runs: int | None,
    seconds: float,
    everywhere: bool,
    injection: str | None,
    config: str | None,
) -> int:
    """Cancel, pause and stop the graph in FILE (`-`: stdin) at every point it has, and see what does not survive it.

    It runs in memory, on a virtual clock, a few hundred times a second, each time with one injection: a node or the run
    is cancelled, the run is paused, resumed or stopped, or the time jumps. Nodes are simulated, unless --live says
    otherwise: then a node that sends a mail sends hundreds. What waits for a thread, a process or a socket finds that
    all its deadlines pass at once.

    A failure is reported with the line of the node's kind and an id for --replay; with --json as one object that lists
    every injection.

    \b
    Exit status: 0 all held; 1 something did not; 2 not explored (usage, settings, an invalid graph, an unknown id);
    130 ended by Ctrl-C; 141 nobody reads stdout any more.
    """  # noqa: D301  click has to see the backspace
    settings = load_settings(config=config)
    document = arguments.document(file)
    asked = execution.over(document.config)
    registry = _registry()
    # Not before all else is known to be well: it takes a server.
    from actors.explored import Exploring, explore_graph

    return _to_its_end(
        partial(
            explore_graph,
            document.graph,
            name=getattr(file, "name", STDIN),
            config=asked,
            needs_start=document.needs_start,
            settings=settings,
            registry=registry,
            exploring=Exploring(runs=runs, seconds=seconds, everywhere=everywhere, live=live, injection=injection),
            as_json=as_json,
        )
    )


@cli.command("validate")
@arguments.file
@arguments.as_json
@arguments.dry_run
@arguments.settings_file
def validate_command(*, file: BinaryIO, as_json: bool, dry_run: bool, config: str | None) -> int:
    """Check the graph in FILE (`-`: stdin) without starting it, and print every problem.

    \b
    Exit status: 0 it can start, with warnings or without; 1 it has errors; 2 FILE can not be read.
    """  # noqa: D301  click has to see the backspace
    settings = load_settings(config=config)
    document = arguments.document(file)
    validation = _validate(document, settings=settings, dry_run=dry_run)
    problems = (*validation.errors, *validation.warnings)
    if as_json:
        from protocol.dialects import DIALECTS
        from protocol.messages import Validated

        reply = Validated(ok=not validation.errors, errors=validation.errors, warnings=validation.warnings)
        click.echo(json.dumps(json.loads(DIALECTS["snake"].encode(reply))["payload"], indent=2, ensure_ascii=False))
    else:
        from actors.terminal import print_problems

        print_problems(problems, file=sys.stdout)
        verdict = "can not start" if validation.errors else "can start"
        click.echo(f"{verdict}: {len(validation.errors)} errors, {len(validation.warnings)} warnings")
    return FAILED if validation.errors else 0


@cli.command("kinds")
@arguments.as_json
def kinds_command(*, as_json: bool) -> None:
    """List the kinds of node that are installed here."""
    kinds = _registry().describe()
    if as_json:
        click.echo(json.dumps(kinds, indent=2, ensure_ascii=False))
        return
    from actors.terminal import print_kinds

    rows = []
    for name, kind in kinds.items():
        ports = kind["ports"]
        rows.append((name, ports if isinstance(ports, str) else ", ".join(ports or ()), kind["description"]))
    print_kinds(rows, file=sys.stdout)


@cli.command("doctor")
@arguments.settings_file
@arguments.setting_flags
def doctor_command(config: str | None, **flags: Any) -> int:
    """Look at what a server would find here: Python, packages, folders, and which browser it would use and why.

    \b
    Exit status: 0 a server can run, with a browser or without; 1 it can not; 2 wrong settings.
    """  # noqa: D301  click has to see the backspace
    from actors.doctor import examine
    from actors.foreground import kept

    settings = kept(load_settings(flags, config=config))

    async def report() -> int:
        findings = await examine(settings)
        for finding in findings:
            mark = {"ok": "ok     ", "missing": "missing", "broken": "BROKEN "}[finding.state]
            first, *more = finding.text.splitlines()
            click.echo(f"{mark}  {finding.what}: {first}")
            for line in more:
                click.echo(f"           {line}")
        return FAILED if any(finding.state == "broken" for finding in findings) else 0

    return _in_trio(report)


@cli.command("watch")
@arguments.run
@arguments.as_json
@arguments.at_server
def watch_command(*, run: str, as_json: bool, server: str, token: str | None) -> int:
    """Show how RUN goes on a server, from its first event to its ending; through restarts of the server, too.

    RUN is the id of a run, or of a workflow: its latest run. Ctrl-C ends the watching, not the run.

    \b
    Exit status: 0 completed; 1 failed or stopped; 2 no such run or server; 130 not watched to its end.
    """  # noqa: D301  click has to see the backspace
    from actors.attached import Where, watch

    return _in_trio(partial(watch, Where(server, token), run, as_json=as_json))


@cli.command("pause")
@arguments.run
@click.option("--drain", is_flag=True, help="Wait for what runs instead of cutting it.")
@arguments.at_server
def pause_command(*, run: str, drain: bool, server: str, token: str | None) -> int:
    """Pause RUN (a run, or the latest of a workflow) on a server.

    \b
    Exit status: 0 accepted; 1 refused; 2 no such run or server.
    """  # noqa: D301  click has to see the backspace
    return _steer(server, token, run, "pause", mode="drain" if drain else None)


@cli.command("resume")
@arguments.run
@click.option("--step", is_flag=True, help="Start one node, the first that is ready, and pause again.")
@arguments.at_server
def resume_command(*, run: str, step: bool, server: str, token: str | None) -> int:
    """Go on with RUN (a run, or the latest of a workflow) on a server.

    \b
    Exit status: 0 accepted; 1 refused; 2 no such run or server.
    """  # noqa: D301  click has to see the backspace
    return _steer(server, token, run, "resume", step=step)


@cli.command("stop")
@arguments.run
@click.option("--force", is_flag=True, help="Drop the grace of sections and clean-ups.")
@arguments.at_server
def stop_command(*, run: str, force: bool, server: str, token: str | None) -> int:
    """Stop RUN (a run, or the latest of a workflow) on a server.

    \b
    Exit status: 0 accepted; 1 refused; 2 no such run or server.
    """  # noqa: D301  click has to see the backspace
    return _steer(server, token, run, "stop", force=force)


@cli.command("breakpoints")
@arguments.run
@click.argument("nodes", metavar="[NODE]...", nargs=-1)
@click.option("--none", "clear", is_flag=True, help="Take all of them away.")
@arguments.at_server
def breakpoints_command(*, run: str, nodes: tuple[str, ...], clear: bool, server: str, token: str | None) -> int:
    """Have RUN (a run, or the latest of a workflow) pause before each NODE, and before no other.

    Without a NODE: say before which it does. A node that runs already is not stopped; a run that is paused stays so
    until it is resumed, wherever its breakpoints are.

    \b
    Exit status: 0 accepted; 1 refused; 2 no such run or server.
    """  # noqa: D301  click has to see the backspace
    if nodes and clear:
        raise click.UsageError("either NODE or --none: these nodes, or no node at all")
    from actors.attached import Where, breakpoints

    return _in_trio(partial(breakpoints, Where(server, token), run, nodes if nodes or clear else None))


@cli.command("history")
@click.argument("run", metavar="[RUN]", required=False)
@click.option("--status", type=click.Choice([str(status) for status in RunStatus]), help="Only runs in this state.")
@click.option("--workflow", "workflow_id", default="", metavar="ID", help="Only runs of this workflow.")
@click.option("--limit", "-n", default=50, show_default=True, type=click.IntRange(min=1), help="Runs at most.")
@arguments.as_json
@arguments.at_server
def history_command(
    *,
    run: str | None,
    status: str | None,
    workflow_id: str,
    limit: int,
    as_json: bool,
    server: str,
    token: str | None,
) -> int:
    """List the runs of a server, newest first; with RUN: what happened in it so far.

    \b
    Exit status: 0, or that of the run if it has ended; 2 no such run or server.
    """  # noqa: D301  click has to see the backspace
    from actors.attached import Where, list_history, show_history

    where = Where(server, token)
    if run is not None:
        return _in_trio(partial(show_history, where, run, as_json=as_json))
    wanted = RunStatus(status) if status else None
    return _in_trio(partial(list_history, where, status=wanted, workflow_id=workflow_id, limit=limit, as_json=as_json))


def _steer(server: str, token: str | None, run: str, action: Literal["pause", "resume", "stop"], **how: Any) -> int:
    from actors.attached import Where, steer

    return _in_trio(partial(steer, Where(server, token), run, action, **how))


def _validate(document: Document, *, settings: Settings, dry_run: bool) -> Validation:
    """What a start of this document would say, the config of the run included."""
    try:
        execution, warnings = parse_execution_config(document.config)
    except BadField as error:
        faults = tuple(Problem(code=error.code, message=text, path=path) for path, text in error.faults)
        execution, warnings = ExecutionConfig(), ()
    else:
        faults = ()
    found = validate(
        document.graph,
        _registry().kinds,
        dry_run=dry_run or execution.dry_run,
        needs_start=document.needs_start,
        driver=execution.driver,
        limits=Limits(max_nodes=settings.max_nodes, max_edges=settings.max_edges, max_depth=settings.max_depth),
    )
    return attrs.evolve(found, errors=found.errors + faults, warnings=found.warnings + warnings)


def _registry() -> "Registry":
    from actors.registry import Registry

    registry = Registry.builtin()
    try:
        registry.load_entry_points()
    except ActorsError as error:
        raise click.ClickException(str(error)) from error
    return registry


def _settings(flags: Mapping[str, Any], *, config: str | None) -> Settings:
    """The settings of a command that starts something, and the logging they ask for.

    Raises:
        SettingsError: they are wrong, or the folder for artifacts cannot be made.
    """
    settings = load_settings(flags, config=config)
    if settings.artifacts is not None:
        try:
            Path(settings.artifacts).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"artifacts: can not make the folder {settings.artifacts}: {error.strerror}") from None
    logging.basicConfig(stream=sys.stderr, level=settings.log_level.upper(), format=LOG_FORMAT)
    logging.getLogger(FOREIGN_LOGS).setLevel(logging.WARNING)
    from actors.secrets import BlottingFormatter, Secrets  # It needs JSON, which `--help` does not.

    if known := Secrets.from_environment():
        for handler in logging.getLogger().handlers:
            handler.setFormatter(BlottingFormatter(known, LOG_FORMAT))
    return settings


def _in_trio(command: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run an async command; returns its exit status."""
    import trio

    return _to_its_end(partial(trio.run, command))


def _to_its_end(command: Callable[[], int]) -> int:
    """Run a command; returns its exit status, or that of an end which is nobody's bug."""
    from actors.spool import unplug

    status = NO_READER
    try:
        status = command()
    except* BrokenPipeError:
        unplug(sys.stdout)
    except* KeyboardInterrupt:
        # A Ctrl-C outside of the time in which the command listens for it.
        status = INTERRUPTED
    return status
