"""Admission: who may connect, by host, origin and token, in this order."""

import pytest

from actors.admission import Admission
from actors.http import HttpError, Request
from actors.settings import Settings


def verdict(host="localhost:8765", *, settings=None, local="127.0.0.1", method="GET", query=None, **headers) -> int:
    """The status of a refusal; 200 if the request may pass."""
    request = Request(
        method=method,
        host=host,
        path="/",
        query=query or {},
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )
    try:
        Admission(settings or Settings()).check(request, local=local)
    except HttpError as error:
        return error.status
    return 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("localhost.:8765", 200),
        ("127.0.0.1:8765", 200),
        ("127.0.0.2", 200),
        ("[::1]:8765", 200),
        ("192.168.1.5:8765", 200),
        ("[::ffff:192.168.1.5]", 200),
        ("board.example:443", 200),
        ("192.168.1.6:8765", 421),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("localhost@evil.example", 421),
        ("", 421),
        ("[::1", 421),
    ],
)
def test_a_foreign_host_is_421(host, status):
    """A name that someone points at us (DNS rebinding) is not our name; an address is what it is."""
    assert verdict(host, settings=Settings(allow_host=("board.example",)), local="192.168.1.5") == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:5173", 200),
        ("https://127.0.0.1", 200),
        ("http://[::1]:3000", 200),
        ("http://board.example:8765", 200),
        ("https://app.example", 200),
        ("https://app.example:444", 403),
        ("http://board.example", 403),
        ("https://evil.example", 403),
        ("http://localhost.evil.example", 403),
        ("http://user@localhost", 403),
        ("file://", 403),
        ("null", 403),
        ("", 403),
        ("http://localhost:x", 403),
        ("http://localhost, http://evil.example", 403),
        ("http://\xe9.localhost", 403),
    ],
)
def test_a_foreign_origin_is_403(origin, status):
    """Any page can reach localhost; only our own, local and allowed ones may speak."""
    settings = Settings(origin=("https://app.example",), allow_host=("board.example",))
    assert verdict("board.example:8765", settings=settings, origin=origin) == status


def test_no_origin_is_no_browser():
    """A script has no origin and needs none."""
    assert verdict() == 200


def test_default_ports_are_the_same_as_none():
    """Behind a proxy the Host has no port."""
    settings = Settings(allow_host=("board.example",))
    assert verdict("board.example", settings=settings, origin="https://board.example") == 200
    assert verdict("board.example:443", settings=settings, origin="https://board.example") == 200


def test_null_may_be_allowed():
    """File pages say `null`."""
    assert verdict(settings=Settings(origin=("null",)), origin="null") == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer s3cret"}, 200),
        ({"authorization": "bearer  s3cret "}, 200),
        ({"authorization": "Bearer s3cre"}, 401),
        ({"authorization": "Basic s3cret"}, 401),
        ({"authorization": "Bearer "}, 401),
        ({"sec_websocket_protocol": "callboard.flat.v1, callboard.token.s3cret"}, 200),
        ({"sec_websocket_protocol": "callboard.token.wrong"}, 401),
        ({"query": {"token": "s3cret"}}, 200),
        ({"query": {"token": ""}}, 401),
        ({"query": {"token": "wrong"}, "authorization": "Bearer s3cret"}, 200),
        ({"authorization": "Bearer \xff"}, 401),
    ],
)
def test_a_token_is_needed_when_there_is_one(sent, status):
    """By header, subprotocol or query."""
    assert verdict(settings=Settings(token="s3cret"), **sent) == status


def test_the_order_is_host_origin_token():
    """The first that fails answers."""
    settings = Settings(token="s3cret")
    assert verdict("evil.example", settings=settings, origin="http://evil.example") == 421
    assert verdict(settings=settings, origin="http://evil.example") == 403
    assert verdict(settings=settings, origin="http://localhost:1") == 401


def test_a_preflight_needs_no_token_but_a_plain_options_does():
    """A browser asks before it sends the token; it never sends the token with the question."""
    settings = Settings(token="s3cret")
    asked = {"origin": "http://localhost:1", "access_control_request_method": "POST"}
    assert verdict(settings=settings, method="OPTIONS", **asked) == 200
    assert verdict(settings=settings, method="OPTIONS", origin="http://localhost:1") == 401


def test_a_refusal_never_shows_the_token():
    """Neither the right one nor what was tried."""
    request = Request(method="GET", host="localhost", path="/", query={"token": "tried"}, headers={})
    with pytest.raises(HttpError) as caught:
        Admission(Settings(token="s3cret")).check(request, local="127.0.0.1")
    said = str(caught.value.response().body)
    assert "s3cret" not in said
    assert "tried" not in said
    assert "s3cret" not in repr(Admission(Settings(token="s3cret")))


def test_cors_names_the_allowed_origin_and_no_other():
    """A page of a foreign origin cannot read our answer."""
    admission = Admission(Settings())

    def cors(origin: str) -> dict[str, str]:
        return dict(
            admission.cors(Request(method="GET", host="localhost", path="/", query={}, headers={"origin": origin}))
        )

    assert cors("http://localhost:1")["Access-Control-Allow-Origin"] == "http://localhost:1"
    assert cors("http://evil.example") == {"Vary": "Origin"}
