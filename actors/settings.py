"""Every setting of callboard: one attrs class with its defaults, units, bounds and meaning.

Theory of operation: a setting is one field of `Settings` and is told nowhere else. Its text is in the field's metadata,
because `callboard serve --help` prints it; its unit is its type (`Seconds`, `Size`), which decides how it is spelled;
its bounds are its validators, so that a server embedded in a program is held to what the command line is held to.
`actors.sources` reads settings from a file, the environment and flags; a program makes them with `Settings(port=(0,))`.
"""

# ruff: noqa: RUF009  `_setting` is `attrs.field`, made once per field on purpose

import ipaddress
import math
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

import attrs

from actors.hosts import HostList

__all__ = ["LogLevel", "Seconds", "Settings", "Size", "is_loopback"]

KIB = 2**10
MIB = 2**20

Seconds: TypeAlias = Annotated[float, "seconds"]
"""A duration. `inf` means never."""
Size: TypeAlias = Annotated[int, "bytes"]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]

_Check: TypeAlias = Callable[[Any, "attrs.Attribute[Any]", Any], None]


def is_loopback(host: str) -> bool:
    """Whether nobody outside this machine reaches a listener on `host`.

    A name other than `localhost` counts as reachable, whatever it resolves to today.
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _setting(default: object, text: str, *checks: _Check, repr: bool = True) -> Any:  # noqa: A002  as attrs calls it
    """A field with its meaning, for people, beside it.

    Typed as Any, as `attrs.field` is: the annotation says the type.
    """
    return attrs.field(default=default, validator=attrs.validators.and_(*checks), repr=repr, metadata={"help": text})


def _at_least(least: float) -> _Check:
    def check(_self: object, _field: "attrs.Attribute[Any]", value: float | None) -> None:
        if value is not None and not value >= least:  # `not >=`, so that NaN is refused too
            raise ValueError(f"must be at least {least}, not {value}")

    return check


def _above_zero(_self: object, _field: "attrs.Attribute[Any]", value: float) -> None:
    if not value > 0:
        raise ValueError(f"must be more than 0, not {value}")


def _finite(_self: object, _field: "attrs.Attribute[Any]", value: float | None) -> None:
    if value is not None and not math.isfinite(value):
        raise ValueError(f"must be a number, not {value}")


def _host(_self: object, _field: "attrs.Attribute[Any]", value: str) -> None:
    if not value or re.search(r"[\s/]", value):
        raise ValueError(f"must be a host name or an address (0.0.0.0 or :: for all), not {value!r}")


def _ports(_self: object, _field: "attrs.Attribute[Any]", value: tuple[int, ...]) -> None:
    if not value:
        raise ValueError("must name at least one port")
    for port in value:
        if not 0 <= port <= 65535:  # noqa: PLR2004  RFC 9293, 3.1: a port has 16 bits
            raise ValueError(f"must be 0–65535, not {port}")


def _token(_self: object, _field: "attrs.Attribute[Any]", value: str | None) -> None:
    # The value is left out of the message: it is a secret even when it is wrong. The characters are those that an
    # HTTP header, a subprotocol and a query can all carry.
    if value is not None and not re.fullmatch(r"[!-~]+", value):
        raise ValueError("must be printable ASCII without spaces, and not empty")


def _origins(_self: object, _field: "attrs.Attribute[Any]", value: tuple[str, ...]) -> None:
    for origin in value:
        if origin == "null":
            continue
        try:
            parts = urlsplit(origin)
            port = f":{parts.port}" if parts.port is not None else ""
        except ValueError:
            raise ValueError(f"must be scheme://host[:port] or null, not {origin!r}") from None
        if not parts.scheme or not parts.hostname or parts.username is not None:
            raise ValueError(f"must be scheme://host[:port] or null, not {origin!r}")
        # RFC 6454, 6.2: what a browser sends is lower case, has no path and leaves out the scheme's own port.
        port = "" if (parts.scheme, port) in {("http", ":80"), ("https", ":443")} else port
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        if (sent := f"{parts.scheme}://{host}{port}") != origin:
            raise ValueError(f"{origin!r} is never what a browser sends; did you mean {sent!r}?")


def _hosts(_self: object, _field: "attrs.Attribute[Any]", value: tuple[str, ...]) -> None:
    for host in value:
        if not re.fullmatch(r"[a-z0-9._-]+|\[?[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*\]?", host):
            raise ValueError(f"must be a host name in lower case, without scheme and port, not {host!r}")


def _reached(_self: object, _field: "attrs.Attribute[Any]", value: tuple[str, ...]) -> None:
    HostList.parse(value)


def _programs(_self: object, _field: "attrs.Attribute[Any]", value: tuple[str, ...]) -> None:
    for program in value:
        if not program or "\0" in program or ("/" in program and not program.startswith("/")):
            raise ValueError(f"must be a program's name or its absolute path, not {program!r}")


def _folder(_self: object, _field: "attrs.Attribute[Any]", value: str | None) -> None:
    if value is not None and (not value.startswith("/") or "\0" in value):
        raise ValueError(f"must be the absolute path of a folder, not {value!r}")


def _journal(_self: object, _field: "attrs.Attribute[Any]", value: str | None) -> None:
    if value is None or value == "memory:":
        return
    if not re.fullmatch(r"sqlite:[^\0]+", value):
        raise ValueError(f"must be `memory:` or `sqlite:PATH`, not {value!r}")


@attrs.frozen(kw_only=True)
class Settings:
    """Times in seconds, sizes in bytes. The text of a field is `metadata["help"]`.

    Raises:
        ValueError: a value is out of its bounds, or the host is reachable from outside and there is no token.
    """

    # Where to listen
    host: str = _setting(
        "127.0.0.1", "Address to listen on; the default also listens on ::1 where there is one.", _host
    )
    port: tuple[int, ...] = _setting((8765,), "Port to listen on; 0 lets the system choose one.", _ports)

    # Who may connect
    token: str | None = _setting(
        None,
        "What every request must carry; better said as CALLBOARD_TOKEN, for other users of the machine can see flags.",
        _token,
        repr=False,
    )
    origin: tuple[str, ...] = _setting(
        (), "Origin of web pages allowed besides the server's own and localhost; `null` for file pages.", _origins
    )
    allow_host: tuple[str, ...] = _setting(
        (), "Host name allowed besides the server's own address and localhost.", _hosts
    )
    insecure: bool = _setting(False, "Allow a host that others can reach, without a token.")

    # What nodes may do
    http_allow: tuple[str, ...] = _setting(
        (),
        "Host that `http` nodes may reach: api.example.org, *.example.org, a host:port, 10.0.0.0/8, or * for all. "
        "Addresses that are not public must be named, whatever host leads to them.",
        _reached,
    )
    commands_allow: tuple[str, ...] = _setting(
        (),
        "Program that `command` nodes may run, by name or absolute path. Whoever can start a workflow then runs it "
        "with any arguments.",
        _programs,
    )
    commands_folder: str | None = _setting(
        None,
        "Folder beneath which programs run, as their `cwd` says. Default: that of the run's artifacts.",
        _folder,
    )

    # Where things are kept
    journal: str | None = _setting(
        None,
        "URL of the journal, which records the runs: `memory:` or `sqlite:PATH`. Default of `callboard serve`: "
        "callboard.db in $XDG_STATE_HOME/callboard; of a program: memory.",
        _journal,
    )
    artifacts: str | None = _setting(
        None,
        "Folder of the files that runs make. Default of `callboard serve` with a journal on disk: artifacts in "
        "$XDG_STATE_HOME/callboard; else a temporary one, removed at the end.",
    )
    history_runs: int | None = _setting(1_000, "Ended runs that are kept; `all` for all of them.", _at_least(0))
    history_days: float | None = _setting(None, "Days that ended runs are kept.", _at_least(0), _finite)

    # The real browser
    browser_path: str | None = _setting(
        None, "Program of the browser that runs with `driver: browser` use; default: `callboard doctor` says which."
    )
    browser_channel: str | None = _setting(
        None, "An installed one instead, by its name: `chrome`, `msedge` or `chrome-beta`."
    )

    # Limits
    max_connections: int = _setting(10_000, "Connections at a time.", _at_least(1))
    max_message: Size = _setting(16 * MIB, "Largest message or request body that is taken.", _at_least(1))
    max_nodes: int = _setting(20_000, "Nodes of one graph.", _at_least(1))
    max_edges: int = _setting(100_000, "Edges of one graph.", _at_least(0))
    max_depth: int = _setting(64, "How deep the data of a graph may be nested.", _at_least(1))
    max_runs: int = _setting(1_000, "Unfinished runs at a time.", _at_least(1))
    max_concurrency: int = _setting(1_000, "Nodes of one run at a time.", _at_least(1))
    max_result: Size = _setting(8 * MIB, "Largest result of one node, as JSON.", _at_least(1))
    rate_messages: int = _setting(1_000, "Messages that a peer may send in a burst.", _at_least(1))
    rate_refill: float = _setting(200.0, "Messages a second after such a burst.", _above_zero)
    rate_patience: Seconds = _setting(
        5.0, "How long a peer may send more than that before its connection is closed.", _at_least(0)
    )
    outbox: Size = _setting(256 * KIB, "What may wait for one slow peer before it is conflated.", _at_least(1))

    # Deadlines
    head_timeout: Seconds = _setting(10.0, "For the head of a request, and for the handshake.", _above_zero)
    ping_interval: Seconds = _setting(25.0, "Between two pings.", _above_zero)
    ping_timeout: Seconds = _setting(10.0, "For the pong, before a connection counts as dead.", _above_zero)
    heartbeat: Seconds = _setting(30.0, "Between two heartbeats of the flat dialect.", _above_zero)
    stall_timeout: Seconds = _setting(
        30.0, "How long a slow peer may take no byte at all before its connection is closed.", _above_zero
    )
    resume_window: Seconds = _setting(
        120.0, "How long a session outlives its connection: who comes back in time goes on where it was.", _at_least(0)
    )
    close_timeout: Seconds = _setting(2.0, "For the closing handshake.", _at_least(0))
    stop_grace: Seconds = _setting(5.0, "What atomic and cleanup sections of nodes have after a stop.", _at_least(0))
    atomic_limit: Seconds = _setting(
        10.0, "After this, a pause that waits for an atomic section says so in the run's log.", _above_zero
    )
    shutdown_grace: Seconds = _setting(30.0, "For everything, after the first SIGTERM or SIGINT.", _at_least(0))

    # The watchdog
    step_warn: Seconds = _setting(1.0, "A step of a node that does not yield for so long is named.", _above_zero)
    step_limit: Seconds = _setting(5.0, "After this it is broken off, where that is possible; 0: never.", _at_least(0))

    # What is said about it
    log_level: LogLevel = _setting("info", "What is logged on stderr: debug, info, warning or error.")

    def __attrs_post_init__(self) -> None:
        """Refuse the one combination of good values that is not good."""
        if not (is_loopback(self.host) or self.token or self.insecure):
            raise ValueError(
                f"{self.host} is reachable from outside: set a token (CALLBOARD_TOKEN), or allow that with --insecure"
            )
