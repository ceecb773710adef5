"""The kind that runs a program: `command`; and how `start` starts an app.

*Theory of operation.* A program is run if the setting `commands_allow` lists it. Both are resolved to a path first, a
bare name along the server's own PATH: the folder is followed through its links, the name in it is kept, and the two
paths must be the same. (The name is kept because programs such as busybox are one file that acts by its name: whoever
allows `ls` has not allowed `sh`.) That path, and not what the config says, is what is executed; there is no shell.

A command is an effect: it is in `once`, a pause waits for it. It leads a process group of its own. Whatever ends it –
its own end, its `timeout`, a stop, the end of a section's grace – the whole group is ended before the node is: SIGTERM,
and `KILL_AFTER_S` later SIGKILL. A stop tells it at once, although `once` shields the node: `_watch` stands outside of
that shield and does nothing but wait for the cancel. The end of the server leaves it the grace of its section, as any
effect has it: one that ends by then is not repeated. Output is read as it comes, and what is over the limit is counted
and thrown away, so that no program ever waits for us. What leaves its group on purpose (a daemon) is not followed; if
it keeps the pipes open, they are given up after `LINGER_S`.
"""

import codecs
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import trio

from actors.artifacts import check_name
from actors.config import option
from actors.context import Allowed, NodeContext
from actors.errors import NodeError
from actors.registry import node
from actors.secrets import Secrets, quoted
from protocol.messages import Json

__all__ = ["CommandConfig", "command", "start_app"]

KILL_AFTER_S: Final = 2.0
"""Seconds from SIGTERM to SIGKILL: less than the grace of a stop, so that the end is still recorded."""

POLL_S: Final = 0.02
"""Seconds between two looks at whether others of a group are left: no event tells of their end."""

LINGER_S: Final = 1.0
"""Seconds that pipes may stay open when the group is gone."""

SHARE: Final = 16
"""Each of the two outputs gets this part of the largest result: in the worst case JSON takes six bytes for one."""

TAIL: Final = 500
"""Characters of its errors that the message of a failed command shows."""

PASSED_ON: Final = (
    "HOME",
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    "PATH",
    "SHELL",
    "TMPDIR",
    "TZ",
    "USER",
    "XDG_RUNTIME_DIR",
    "DISPLAY",
    "WAYLAND_DISPLAY",
)
"""All that a program gets of the server's environment, and `LC_*`: the rest may be a secret, ours or a neighbour's."""


def _check_argv(argv: tuple[str, ...]) -> None:
    if not argv or not argv[0]:
        raise ValueError("expected a program and its arguments")
    for index, one in enumerate(argv):
        try:
            one.encode()
        except UnicodeEncodeError:
            raise ValueError(f"[{index}] is no valid text") from None
        if "\0" in one:
            raise ValueError(f"[{index}] has a NUL character")


def _check_cwd(cwd: str) -> None:
    for part in cwd.split("/"):
        if part != ".":
            try:
                check_name(part)
            except NodeError as error:
                raise ValueError(f"expected a folder below that of the programs: {error}") from None


@attrs.frozen(kw_only=True)
class CommandConfig:
    """Settings of `command`."""

    argv: tuple[str, ...] = option(check=_check_argv)
    """The program, by name or absolute path, and its arguments; no shell looks at them."""
    cwd: str = option(".", check=_check_cwd)
    """The folder it runs in, below the one that the server has for programs: by default that of the run's artifacts."""
    timeout: float | None = option(None, minimum=1)
    """Milliseconds after which it is ended; absent: as long as it takes."""
    check: bool = True
    """Whether another exit status than 0 is an error."""


@node("command", config=CommandConfig, own_timeout=True)
async def command(ctx: NodeContext[CommandConfig]) -> Json:
    """Runs a program, where the server allows it; the result has its exit status and what it wrote.

    The result is `{exitStatus, stdout, stderr}`, and `truncated` with the number of bytes that were left out, if there
    are any. A program that a signal ended has the status -N. It is run without a shell, with nothing to read, in a
    process group that does not outlive the node, and sees of the server's environment what `PASSED_ON` lists.

    Raises:
        NodeError: code `not_allowed`: `commands_allow` does not list the program. Code `command_failed`: it could not
            be started, or its status is not 0. Code `timeout`. Code `bad_config`: there is no such folder.
    """
    config = ctx.config
    program = allowed_program(config.argv[0], ctx.allowed)
    folder = await _folder(ctx)
    group = _Group()
    result: Json = None
    failure: NodeError | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_watch, ctx, group)
        try:
            result = await ctx.once("command", partial(_run, ctx, group, [program, *config.argv[1:]], folder))
        except NodeError as error:
            # Raised below: an error of ours is not to come in the group of our nursery.
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        if group.told:
            # It failed because it was ended; what counts is why.
            await trio.lowlevel.checkpoint_if_cancelled()
        raise failure
    return result


async def start_app(ctx: NodeContext[object], app: str) -> None:
    """Start a program that goes on by itself, as one that was started from a desktop: it outlives the run.

    Args:
        ctx: of the node that starts it.
        app: its name or absolute path; it gets no arguments.

    Raises:
        NodeError: code `not_allowed`: `commands_allow` does not list it. Code `command_failed`: it can not be started.
    """
    program = allowed_program(app, ctx.allowed)

    async def launch() -> int:
        with _failing(program):
            process = await trio.lowlevel.open_process(
                [program],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env=environment(os.environ),
            )
        # Only so that its end leaves no zombie: the task belongs to nobody, and ends with the event loop at the latest.
        trio.lowlevel.spawn_system_task(process.wait, name=f"app:{process.pid}")
        return process.pid

    await ctx.once("app", launch)


def allowed_program(program: str, allowed: Allowed) -> str:
    """The absolute path of a program that may be run.

    Raises:
        NodeError: code `not_allowed`: it is not listed, or not there.
    """
    if not allowed.programs:
        raise NodeError(
            "this server runs no programs; whoever runs it allows some by commands_allow "
            "(--commands-allow, CALLBOARD_COMMANDS_ALLOW)",
            code="not_allowed",
        )
    path = _resolve(program)
    if path is None or path not in map(_resolve, allowed.programs):
        raise NodeError(
            f"{quoted(program, TAIL)} is none of the programs that commands_allow lists", code="not_allowed"
        )
    return path


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """What a program sees of our environment."""
    return {name: value for name, value in ours.items() if name in PASSED_ON or name.startswith("LC_")}


def _resolve(program: str) -> str | None:
    if "\0" in program or ("/" in program and not program.startswith("/")):
        return None
    found = shutil.which(program)
    # PATH may name folders relative to wherever we are.
    if found is None or not Path(found).is_absolute():
        return None
    return str(Path(found).parent.resolve() / Path(found).name)


async def _folder(ctx: NodeContext[CommandConfig]) -> Path:
    """Where it runs; the folder of the run is made if it is not there yet.

    Raises:
        NodeError: code `bad_config`: it is not there, or a link leads out of where programs run.
    """
    root = ctx.artifacts.folder if ctx.allowed.folder is None else Path(ctx.allowed.folder)

    def find() -> Path | None:
        if ctx.allowed.folder is None:
            root.mkdir(parents=True, exist_ok=True)
        real = root.resolve()
        folder = (real / ctx.config.cwd).resolve()
        return folder if folder.is_dir() and folder.is_relative_to(real) else None

    folder = await trio.to_thread.run_sync(find)
    if folder is None:
        raise NodeError(f"cwd: there is no folder {ctx.config.cwd!r} where programs run", code="bad_config")
    return folder


@attrs.define(eq=False)
class _Group:
    """The processes of one command."""

    leader: trio.Process | None = None
    told: bool = False
    """It was told to end before it had, or not to begin."""
    gone: bool = False
    """Its leader is reaped and nobody else was in it: its number may be another's by now."""

    def signal(self, number: int) -> bool:
        """Send it to all of them, 0 only to look; whether somebody was there to hear it."""
        if self.leader is None or self.gone:
            return False
        try:
            # Its number is that of its leader, and free only when that is reaped and nobody else is in it.
            os.killpg(self.leader.pid, number)
        except (ProcessLookupError, PermissionError):
            self.gone = self.leader.poll() is not None
            return False
        return True

    async def end(self) -> None:
        """Tell them to end, and make them; no cancel cuts this short."""
        self.signal(signal.SIGTERM)
        await self._gone(KILL_AFTER_S)
        await self.kill()

    async def kill(self) -> None:
        """Make them end. What the kernel itself can not end within `LINGER_S` is left to it."""
        self.signal(signal.SIGKILL)
        await self._gone(LINGER_S)

    async def _gone(self, seconds: float) -> None:  # noqa: ASYNC910  without a leader there is nothing to wait for
        """Wait for the end of them all, for so long; shielded."""
        if self.leader is not None:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + seconds):
                await self.leader.wait()
                while self.signal(0):  # noqa: ASYNC110  they are no children of ours: there is no event
                    await trio.sleep(POLL_S)


@attrs.define(eq=False)
class _Output:
    """What a program wrote to one of its two pipes, up to a limit."""

    limit: int
    data: bytearray = attrs.field(factory=bytearray)
    more: int = 0

    async def read(self, stream: trio.abc.ReceiveStream) -> None:  # noqa: ASYNC910  a stream awaits
        async with stream:
            async for chunk in stream:
                kept = chunk[: self.limit - len(self.data)]
                self.data += kept
                self.more += len(chunk) - len(kept)

    def text(self, secrets: Secrets) -> str:
        """What was kept, without the beginning of a secret at which the limit has cut it."""
        # A character that the limit has cut is left out: behind a beginning it would hide that.
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        text = decoder.decode(bytes(self.data), final=not self.more)
        return secrets.blot(text) if self.more else text


async def _watch(ctx: NodeContext[CommandConfig], group: _Group) -> None:
    """Ends the group when the node is cancelled, while the section that waits for it can not be.

    Not when the server ends: what would be ended now would be run again by the next one.
    """
    try:
        await trio.sleep_forever()
    finally:
        # What has ended by itself is taken at its word, and `_run` sees to what it left.
        if ctx.cancel_cause != "shutdown" and (group.leader is None or group.leader.poll() is None):
            group.told = True
            await group.end()  # noqa: ASYNC102  shields itself, and has a deadline


async def _run(ctx: NodeContext[CommandConfig], group: _Group, argv: list[str], folder: Path) -> Json:
    """The effect: from the start of the program to the end of its group."""
    config = ctx.config
    out, err = (_Output(ctx.allowed.result_bytes // SHARE) for _ in range(2))
    limit = trio.CancelScope()
    with _failing(argv[0]):
        leader = group.leader = await trio.lowlevel.open_process(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            cwd=folder,
            env=environment(os.environ),
        )
    try:
        assert leader.stdout is not None  # noqa: S101  both are pipes
        assert leader.stderr is not None  # noqa: S101
        async with trio.open_nursery() as nursery:
            nursery.start_soon(out.read, leader.stdout)
            nursery.start_soon(err.read, leader.stderr)
            if config.timeout is not None:
                limit.deadline = trio.current_time() + config.timeout / 1000
            with limit:
                if not group.told:
                    await leader.wait()
            # Also if it ended by itself: whom it has left in its group is not left behind.
            await group.end()
            nursery.cancel_scope.deadline = trio.current_time() + LINGER_S
    finally:
        # A section whose grace is over. Whoever was told before has had its time.
        await (group.kill() if group.told else group.end())  # noqa: ASYNC102  ditto
    if group.told:
        raise NodeError(f"{config.argv[0]!r} was ended before its time", code="command_failed")
    if limit.cancelled_caught:
        raise NodeError(f"{config.argv[0]!r} took longer than {(config.timeout or 0) / 1000:g} s", code="timeout")
    # What a node is given is `Secrets`; its interface promises less.
    secrets = ctx.secrets if isinstance(ctx.secrets, Secrets) else Secrets(ctx.secrets)
    status = leader.returncode
    if status != 0 and config.check:
        # Before it is cut: of a secret that the cut goes through, the end would be left, which nobody knows again.
        said = secrets.blot(err.text(secrets)).strip()[-TAIL:]
        raise NodeError(
            f"{config.argv[0]!r} ended with status {status}{': ' if said else ''}{said}", code="command_failed"
        )
    truncated = {"truncated": out.more + err.more} if out.more or err.more else {}
    return {"exitStatus": status, "stdout": out.text(secrets), "stderr": err.text(secrets), **truncated}


@contextmanager
def _failing(program: str) -> Iterator[None]:
    """Tells what the system says against starting a program."""
    try:
        yield
    except OSError as error:
        raise NodeError(f"{program} can not be started: {error.strerror}", code="command_failed") from error
