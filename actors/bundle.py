"""The console as an HTTP response: one file, which runs what is in it and nothing else.

Theory of operation: `actors/console/dist/index.html` is built from the sources beside it and committed, so a server
needs no Node.js to show it. It is read and compressed once, in a thread, when the first browser comes; after that it is
at hand. The policy that goes with it lists the hash of every script and style in the file: what somebody manages to put
into the page does not run. A browser without the token gets the same page, with status 401, and the page asks for it;
nothing in it is secret.
"""

import base64
import gzip
import hashlib
import http
import re
from functools import cache
from importlib import resources
from typing import Final

import attrs
import trio

from actors.http import Request, Response

__all__ = ["accepts_page", "console"]

POLICY: Final = "default-src 'none'; style-src {style}; script-src {script}; img-src 'self' data: blob:; \
connect-src {connect}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The page speaks to nobody but us; blob: is a picture that it has fetched with its token."""

INLINE: Final = re.compile(rb"<(script|style)\b[^>]*>(.*?)</\1\s*>", re.DOTALL | re.IGNORECASE)

AUTHORITY: Final = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?")
"""A host that a policy can name; it has no word for the address of IPv6."""


@attrs.frozen(kw_only=True, eq=False)
class _Bundle:
    """The file, ready to be sent."""

    plain: bytes
    packed: bytes
    """The same by gzip: a third or so of it."""
    tag: str
    """Changes with the file."""
    styles: str
    scripts: str
    """Sources of the policy."""


def accepts_page(request: Request) -> bool:
    """Whether it is a browser that wants to see something, at the place where the page is."""
    return (
        request.path == "/"
        and request.method in {"GET", "HEAD"}
        and "text/html" in request.headers.get("accept", "").lower()
    )


async def console(request: Request, *, status: int = 200) -> Response:
    """The page, or 304 if the browser has it.

    Args:
        request: of a browser.
        status: 401, where the page is to ask for a token first.
    """
    bundle = await trio.to_thread.run_sync(_bundle)
    packs = _accepts_gzip(request.headers.get("accept-encoding", ""))
    tag = f'"{bundle.tag}-gzip"' if packs else f'"{bundle.tag}"'
    headers = {
        "Content-Security-Policy": POLICY.format(
            style=bundle.styles, script=bundle.scripts, connect=_connects(request.host)
        ),
        "Referrer-Policy": "no-referrer",
        "Vary": "Accept, Accept-Encoding",
    }
    if status == http.HTTPStatus.OK:
        # It may be kept, and is asked for each time whether it is still that.
        headers |= {"Cache-Control": "no-cache", "ETag": tag}
        if tag in re.split(r"\s*,\s*", request.headers.get("if-none-match", "").replace("W/", "")):
            return Response(status=304, headers=headers)
    if packs:
        headers["Content-Encoding"] = "gzip"
    body = bundle.packed if packs else bundle.plain
    return Response(status=status, body=body, content_type="text/html; charset=utf-8", headers=headers)


@cache
def _bundle() -> _Bundle:
    html = resources.files("actors").joinpath("console/dist/index.html").read_bytes()
    found: dict[bytes, list[str]] = {b"style": [], b"script": []}
    for name, inside in INLINE.findall(html):
        # As a browser reads it, with its ends of line made one.
        hashed = hashlib.sha256(inside.replace(b"\r\n", b"\n").replace(b"\r", b"\n")).digest()
        found[name.lower()].append(f"'sha256-{base64.b64encode(hashed).decode()}'")
    return _Bundle(
        plain=html,
        packed=gzip.compress(html, mtime=0),
        tag=hashlib.sha256(html).hexdigest()[:32],
        styles=" ".join(found[b"style"]) or "'none'",
        scripts=" ".join(found[b"script"]) or "'none'",
    )


def _connects(host: str) -> str:
    """Us, over HTTP and WebSocket: that `'self'` means both some browsers have not heard yet."""
    return f"'self' ws://{host} wss://{host}" if AUTHORITY.fullmatch(host) else "'self'"


def _accepts_gzip(accepts: str) -> bool:
    """RFC 9110, 12.5.3, as far as one coding needs it: named, or meant by `*`, and not with a weight of 0."""
    weights = {}
    for part in accepts.lower().split(","):
        coding, _, weight = part.partition(";")
        weights[coding.strip()] = not re.fullmatch(r"\s*q=0(\.0*)?\s*", weight)
    return weights.get("gzip", weights.get("*", False))
