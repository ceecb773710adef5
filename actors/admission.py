"""Who may connect: the Host, the Origin and the token of a request, checked before anything else looks at it.

Theory of operation: any web page can open a WebSocket to localhost and send it requests, so a browser's `Origin` must
be our own, a local one or an allowed one; and a page can point its own host name at 127.0.0.1 (DNS rebinding), so the
`Host` must be an address or a name that is known to be ours. An address cannot be rebound: the one that the peer is
connected to is always ours. The order is host, origin, token, and the first that fails answers. A token is compared
in constant time and never logged. This file decides; it neither reads nor answers.
"""

import hmac
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

import attrs

from actors.http import HttpError, Request
from actors.settings import Settings, is_loopback

__all__ = ["Admission"]

TOKEN_SUBPROTOCOL: Final = "callboard.token."  # noqa: S105  the prefix, not a token
"""A browser cannot set a header of a WebSocket, so it may offer its token as a subprotocol; never echoed."""

DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@attrs.frozen(eq=False)
class Admission:
    """The rules of one server."""

    settings: Settings

    def check(self, request: Request, *, local: str) -> None:
        """Let a request pass, or not.

        Args:
            request: of any method.
            local: the address that the peer is connected to.

        Raises:
            HttpError: 421 foreign host, 403 foreign origin, 401 missing or wrong token.
        """
        if not self._ours(_name(request.host), local):
            raise HttpError(
                421, "foreign_host", f"this server is not {request.host[:200]!r}; allow it with --allow-host"
            )
        origin = request.headers.get("origin")
        if origin is not None and not self.allows_origin(origin, host=request.host):
            raise HttpError(403, "foreign_origin", f"origin {origin[:200]!r} may not connect; allow it with --origin")
        # A browser asks whether it may send a token before it sends one.
        preflight = request.method == "OPTIONS" and "access-control-request-method" in request.headers
        if self.settings.token and not preflight and not self._knows(_tokens(request)):
            raise HttpError(
                401, "unauthorized", "a token is needed: Authorization: Bearer", headers={"WWW-Authenticate": "Bearer"}
            )

    def cors(self, request: Request) -> Mapping[str, str]:
        """The headers that let a page of an allowed origin read our answer."""
        origin = request.headers.get("origin")
        if origin is None or not self.allows_origin(origin, host=request.host):
            return {"Vary": "Origin"}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Headers": "Authorization, Content-Type",
            "Access-Control-Allow-Methods": "DELETE, GET, HEAD, OPTIONS, POST, PUT",
            "Access-Control-Max-Age": "600",
            "Vary": "Origin",
        }

    def allows_origin(self, origin: str, *, host: str) -> bool:
        """Whether pages of an origin may talk to us, who were asked for as `host`."""
        if origin in self.settings.origin:
            return True
        if not origin.isascii():
            return False  # RFC 6454, 6.2: a browser spells such a host in punycode
        try:
            parts = urlsplit(origin)
            asked = urlsplit(f"{parts.scheme}://{host.strip()}")
            if parts.scheme not in DEFAULT_PORTS or parts.path or parts.query or parts.username is not None:
                return False
            default = DEFAULT_PORTS[parts.scheme]
            same = (parts.hostname, parts.port or default) == (asked.hostname, asked.port or default)
        except ValueError:
            return False
        return same or is_loopback(parts.hostname or "")

    def _ours(self, name: str, local: str) -> bool:
        ours = map(_address, (self.settings.host, local, *self.settings.allow_host))
        return bool(name) and (is_loopback(name) or _address(name) in ours)

    def _knows(self, offered: Iterable[bytes]) -> bool:
        token = (self.settings.token or "").encode()
        return any(hmac.compare_digest(offer, token) for offer in offered)


def _name(host: str) -> str:
    """The name or address in `name:port`, lower case, without brackets and final dot; "" if there is none."""
    try:
        return (urlsplit(f"//{host.strip()}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _address(name: str) -> object:
    """An address in one spelling; a name stands for itself, in lower case."""
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return name.lower()
    return getattr(address, "ipv4_mapped", None) or address


def _tokens(request: Request) -> Iterator[bytes]:
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        yield bearer.strip().encode("latin-1")
    for name in request.subprotocols:
        if name.startswith(TOKEN_SUBPROTOCOL):
            yield name.removeprefix(TOKEN_SUBPROTOCOL).encode("latin-1")
    if "token" in request.query:
        yield request.query["token"].encode()
