"""Listening sockets: where the server's address is, and an accept that survives what the world does to it.

Theory of operation: `open_listeners` returns sockets that the caller owns and closes; if it cannot open all of them it
has closed those that it did open. One port number means one server: the loopback default listens on 127.0.0.1 and, with
the same number, on ::1, because `localhost` is either; where there is no IPv6 the second is left out.
"""

import errno
import logging
import socket
from collections.abc import Sequence
from typing import Final

import attrs
import trio

from actors.settings import Settings

__all__ = ["Listeners", "accept", "open_listeners"]

BACKLOG: Final = 1024
"""Connections that the kernel may hold for us."""

PORT_TRIES: Final = 16
"""How often another port is chosen because its twin on ::1 is taken."""

NO_IPV6: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT})

EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""The machine has no more of something. It comes back when connections end."""

BACK_OFF_S: Final = 0.1
"""The kernel holds the connection meanwhile, so nothing is lost but time."""

IPV4_LOOPBACK: Final = "127.0.0.1"
IPV6_LOOPBACK: Final = "::1"

logger = logging.getLogger(__name__)


@attrs.frozen(eq=False)
class Listeners:
    """Open listening sockets."""

    sockets: Sequence[socket.socket]
    addresses: Sequence[str]
    """`http://HOST:PORT`, one per port asked for, with the real number; ::1 beside 127.0.0.1 is not named."""

    def close(self) -> None:
        """Stop listening. Idempotent. Whoever waits in `accept` gets `trio.ClosedResourceError`."""
        for listening in self.sockets:
            if listening.fileno() >= 0:
                trio.lowlevel.notify_closing(listening.fileno())
                listening.close()


async def open_listeners(settings: Settings) -> Listeners:
    """Listen on every port of the settings.

    Raises:
        OSError: an address is taken, or not ours, or a name cannot be resolved. Nothing is open then.
    """
    sockets: list[socket.socket] = []
    addresses: list[str] = []
    try:
        for port in settings.port:
            opened = await _open_port(settings.host, port)
            sockets += opened
            addresses.append(_url(settings.host, opened[0].getsockname()[1]))
    except BaseException:
        Listeners(sockets, addresses).close()
        raise
    return Listeners(sockets, addresses)  # noqa: ASYNC910  there is a port, and a name to resolve


async def accept(listening: socket.socket) -> socket.socket:
    """The next connection, whatever happens to those before it.

    Raises:
        trio.ClosedResourceError: the listener was closed.
    """
    while True:
        await trio.lowlevel.checkpoint()
        try:
            connected, _ = listening.accept()
        except BlockingIOError:
            await trio.lowlevel.wait_readable(listening.fileno())
        except OSError as error:
            if listening.fileno() < 0:
                raise trio.ClosedResourceError("the listener was closed") from error
            if error.errno in EXHAUSTED:
                logger.warning("no connection can be accepted for now: %s", error)
                await trio.sleep(BACK_OFF_S)
            else:
                # accept(2): what else it may say is about a connection that is gone again.
                logger.debug("a connection went before it was accepted: %s", error)
        else:
            return connected


async def _open_port(host: str, port: int) -> list[socket.socket]:
    for _ in range(PORT_TRIES):
        sockets: list[socket.socket] = []
        try:
            for family, address in await _resolve(host, port):
                sockets.append(_listen(family, address[0], sockets[0].getsockname()[1] if sockets else port))
            if host == IPV4_LOOPBACK:
                sockets += _twin(sockets[0].getsockname()[1])
        except OSError as error:
            Listeners(sockets, ()).close()
            if port == 0 and sockets and error.errno == errno.EADDRINUSE:
                continue  # The number that the system chose for the first address is taken on another.
            raise
        return sockets
    raise OSError(errno.EADDRINUSE, f"no port is free on every address of {host}")


async def _resolve(host: str, port: int) -> Sequence[tuple[int, tuple[str, int]]]:
    found = await trio.socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
    )
    # A name may resolve to the same address twice.
    unique = {(family, address[0]): (family, (str(address[0]), port)) for family, _, _, _, address in found}
    return sorted(unique.values(), key=lambda each: each[0] != socket.AF_INET)


def _twin(port: int) -> list[socket.socket]:
    try:
        return [_listen(socket.AF_INET6, IPV6_LOOPBACK, port)]
    except OSError as error:
        if error.errno in NO_IPV6:
            return []
        raise


def _listen(family: int, host: str, port: int) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
