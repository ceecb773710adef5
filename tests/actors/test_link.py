"""Links: how an address is read, and which ends mean that one may come back. Their life is in `test_client`."""

import attrs
import pytest

from actors.link import Address, Parting


@pytest.mark.parametrize(
    ("url", "expected", "name"),
    [
        ("ws://127.0.0.1:8765", ("127.0.0.1", 8765, False, "/ws/me"), "127.0.0.1:8765"),
        ("http://[::1]:80/", ("::1", 80, False, "/ws/me"), "[::1]"),
        ("https://example.org", ("example.org", 443, True, "/ws/me"), "example.org"),
        ("wss://example.org:80/behind/?a=b", ("example.org", 80, True, "/behind/ws/me?a=b"), "example.org:80"),
    ],
)
def test_an_address_may_be_spelled_as_a_server_or_a_websocket(url, expected, name):
    """Its path is what the server's own paths are put behind, its query is kept."""
    address = Address.of(url, session_id="me")
    assert (attrs.astuple(address), address.name) == (expected, name)


def test_a_session_id_stays_one_segment_of_the_path():
    """Whatever is in it."""
    assert Address.of("ws://h", session_id="a/b?c ä").resource == "/ws/a%2Fb%3Fc%20%C3%A4"


@pytest.mark.parametrize("url", ["", "127.0.0.1", "localhost:8765", "ftp://h", "ws://", "ws:///ws", "ws://h:port"])
def test_what_is_no_address_is_refused(url):
    """Before anything is tried."""
    with pytest.raises(ValueError, match=r"\w"):
        Address.of(url, session_id="me")


@pytest.mark.parametrize(
    ("code", "status", "final"),
    [
        (1000, None, False),
        (1001, None, False),
        (1006, None, False),
        (1011, None, False),
        (1012, None, False),
        (4008, None, False),
        (4099, None, False),
        (4400, None, True),
        (4409, None, True),
        (4429, None, True),
        (4500, None, False),
        (1006, 301, True),
        (1006, 401, True),
        (1006, 403, True),
        (1006, 421, True),
        (1006, 429, False),
        (1006, 500, False),
        (1006, 503, False),
    ],
)
def test_which_ends_are_final(code, status, final):
    """4400–4499 and refusals by HTTP that will be the same the next time; everything else passes."""
    assert Parting(text="", code=code, status=status).final is final
