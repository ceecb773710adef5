"""Listening sockets: the loopback twin, chosen ports, ports that are taken, and exhaustion."""

import errno
import socket

import pytest
import trio
import trio.testing

from actors.ports import BACK_OFF_S, accept, open_listeners
from actors.settings import Settings


def has_ipv6() -> bool:
    """Whether ::1 is there."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


async def test_the_default_listens_on_both_loopbacks_with_one_number():
    """`localhost` is either."""
    listeners = await open_listeners(Settings(port=(0, 0)))
    names = [listening.getsockname()[:2] for listening in listeners.sockets]
    listeners.close()
    ports = [int(address.rpartition(":")[2]) for address in listeners.addresses]
    assert listeners.addresses == [f"http://127.0.0.1:{port}" for port in ports]
    assert len(set(ports)) == 2
    hosts = ["127.0.0.1", "::1"] if has_ipv6() else ["127.0.0.1"]
    assert names == [(host, port) for port in ports for host in hosts]


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
async def test_an_ipv6_address_is_spelled_as_a_url():
    """With brackets."""
    listeners = await open_listeners(Settings(host="::1", port=(0,)))
    listeners.close()
    assert listeners.addresses[0].startswith("http://[::1]:")
    assert len(listeners.sockets) == 1


async def test_a_taken_port_leaves_nothing_open():
    """The error names it, and the ports before it are free again."""
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as free:
        port, other = taken.getsockname()[1], free.getsockname()[1]
        free.close()
        with pytest.raises(OSError) as caught:
            await open_listeners(Settings(port=(other, port)))
    assert caught.value.errno == errno.EADDRINUSE
    (await open_listeners(Settings(port=(other,)))).close()


async def test_a_closed_listener_ends_its_accept():
    """Nobody waits for ever."""
    listeners = await open_listeners(Settings(port=(0,)))
    with pytest.RaisesGroup(trio.ClosedResourceError):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept, listeners.sockets[0])
            await trio.testing.wait_all_tasks_blocked()
            listeners.close()
            listeners.close()
    with pytest.raises(trio.ClosedResourceError):
        await accept(listeners.sockets[0])


class Exhausted(socket.socket):
    """A listening socket of a process without free file descriptors, for a while."""

    trouble: tuple[int, ...] = (errno.ECONNABORTED, errno.EMFILE, errno.ENFILE)

    def accept(self):
        if self.trouble:
            number, *rest = self.trouble
            self.trouble = tuple(rest)
            raise OSError(number, "trouble")
        return super().accept()


async def test_accept_survives_what_the_world_does(caplog):
    """Without file descriptors it backs off; a connection that went is not worth a word."""
    with Exhausted() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.setblocking(False)
        began = trio.current_time()
        async with await trio.open_tcp_stream("127.0.0.1", listening.getsockname()[1]):
            with trio.fail_after(5):
                connected = await accept(listening)
        connected.close()
    assert trio.current_time() - began >= 2 * BACK_OFF_S
    assert [record.levelname for record in caplog.records if record.name == "actors.ports"] == ["WARNING"] * 2
