"""HTTP for nodes: one request and what came back, through a gate that knows which hosts may be reached.

*Theory of operation.* `fetch` opens a client, sends one request, follows its redirects, reads the body of the last
answer and closes everything: nothing is shared between nodes, so no cookie or connection of one run is another's. To
another origin (scheme, host, port) goes no header that may be a key, and it does not come back from there. Every
hop goes through `_Gate`, a transport, which looks at the URL, resolves its host, looks at each address, and connects to
the very one that it has looked at: a name that changes its mind in between gains nothing. Only the first connection is
tried at several addresses; what has been sent is not sent again. No proxy, no netrc, no environment.

The body is read as a stream and given up as soon as it is too long; of a redirect it is not read. A body that was
compressed is unpacked up to the same limit. A cancel at any line closes the connection.

httpx takes a third of a second to import, so this module is imported when a node first needs it.
"""

import base64
import re
import zlib
from collections.abc import Mapping
from typing import Final

import attrs
import httpx
import orjson
import trio

from actors.errors import NodeError
from actors.hosts import HostList
from protocol.messages import Json

__all__ = ["Fetched", "fetch"]

MAX_REDIRECTS: Final = 10
"""Half of what browsers follow; who needs more goes in a circle."""

OWN_PORTS: Final = {"http": 80, "https": 443}

_TO_ANYONE: Final = re.compile(r"accept.*|content-.*|user-agent|idempotency-key", re.IGNORECASE)
"""Headers that say how to read a message or whether it came before. Any other may be a key to the host it is for."""

_JSON: Final = re.compile(r"application/(.+\+)?json|text/json")
_TEXT: Final = re.compile(
    r"text/.*|application/((.+\+)?xml|javascript|x-www-form-urlencoded|yaml|x-yaml|toml|graphql|x-ndjson)"
)
# Those of the Encoding Standard that Python decodes in linear time; Python's own list has more (punycode, idna).
_CHARSET: Final = re.compile(
    r"utf-?8|utf-?16(le|be)?|(us-)?ascii|iso-8859-\d{1,2}|latin-?1|windows-\d{3,4}|shift_jis|euc-(jp|kr)|"
    r"gb18030|gbk|gb2312|big5|koi8-[ru]"
)
_UNPACKED: Final = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


_TLS: Final = httpx.create_ssl_context(trust_env=False)
"""Made with the import, for it takes as long as fifty requests."""


@attrs.frozen
class Fetched:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case; several of one name are joined by a comma."""
    body: Json


async def fetch(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    query: Mapping[str, Json],
    content: bytes | None,
    hosts: HostList,
    limit: int,
) -> Fetched:
    """Send a request and give back the answer to it, or to the last of its redirects.

    Args:
        method: in capitals.
        url: http or https, without credentials.
        headers: of the request; on the way to another origin those alone that `_TO_ANYONE` names.
        query: added to that of the URL; a list gives several values.
        content: the body.
        hosts: those that may be reached.
        limit: bytes of the body.

    Raises:
        NodeError: code `bad_config`, `not_allowed`, `http_failed`, `result_too_large`.
    """
    try:
        asked = httpx.URL(url)
        asked = asked.copy_merge_params(query) if query else asked
    except httpx.InvalidURL as error:
        raise NodeError(f"url: {error}", code="bad_config") from error
    gate = _Gate(hosts)
    try:
        # The caller has the deadline, which is for all of it.
        async with httpx.AsyncClient(transport=gate, timeout=None, trust_env=False) as client:  # noqa: S113
            request = client.build_request(method, asked, headers=headers, content=content)
            for _ in range(MAX_REDIRECTS + 1):
                response = await client.send(request, stream=True)
                try:
                    if response.next_request is None:
                        body = await _read(response, limit)
                        return Fetched(response.status_code, dict(response.headers), _value(response, body))
                    request = _redirected(request, response.next_request, headers)
                finally:
                    await response.aclose()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        text = str(error) or type(error).__name__
        raise NodeError(f"{method} {asked.host}: {text}", code="http_failed") from error
    raise NodeError(f"{method} {asked.host}: more than {MAX_REDIRECTS} redirects", code="http_failed")


class _Gate(httpx.AsyncBaseTransport):
    """Lets requests to allowed hosts pass, to addresses it has seen itself."""

    def __init__(self, hosts: HostList) -> None:
        self._hosts = hosts
        self._inner = httpx.AsyncHTTPTransport(verify=_TLS, trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host, port, own = self._destination(request.url)
        *others, last = await self._addresses(host, port, own)
        for address in others:
            try:
                return await self._inner.handle_async_request(_pinned(request, host, address))
            except httpx.ConnectError:
                continue
        return await self._inner.handle_async_request(_pinned(request, host, last))

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _destination(self, url: httpx.URL) -> tuple[str, int, int]:
        """Host, port, and the port that is its scheme's own."""
        own = OWN_PORTS.get(url.scheme)
        host = url.raw_host.decode("ascii")
        if own is None or not host:
            raise NodeError(f"url: expected http:// or https:// and a host, not {url.scheme}:", code="not_allowed")
        if url.userinfo:
            raise NodeError(f"url: no name or password before {host}; use headers", code="not_allowed")
        port = url.port or own
        if (refusal := self._hosts.refusal(host, port, own=own)) is not None:
            raise NodeError(f"url: {refusal}", code="not_allowed")
        return host, port, own

    async def _addresses(self, host: str, port: int, own: int) -> list[str]:
        """Where a host is, every address looked at; there is one at least."""
        try:
            found = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise NodeError(f"url: {host} can not be resolved: {error}", code="http_failed") from error
        addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
        for address in addresses:
            if (refusal := self._hosts.refusal_of_address(host, address, port, own=own)) is not None:
                raise NodeError(f"url: {refusal}", code="not_allowed")
        return addresses


def _redirected(before: httpx.Request, after: httpx.Request, headers: Mapping[str, str]) -> httpx.Request:
    """The request that follows a redirect, in another origin without those of these headers that are not for anyone."""
    if _origin(before.url) != _origin(after.url):
        for name in headers:
            if _TO_ANYONE.fullmatch(name) is None:
                after.headers.pop(name, None)
    return after


def _origin(url: httpx.URL) -> tuple[str, bytes, int | None]:
    return url.scheme, url.raw_host, url.port or OWN_PORTS.get(url.scheme)


def _pinned(request: httpx.Request, host: str, address: str) -> httpx.Request:
    """The request, to an address; its Host header and the name in its certificate stay those of the host."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host},
    )


async def _read(response: httpx.Response, limit: int) -> bytes:
    """The body, unpacked."""
    said = response.headers.get("content-length", "")
    if said.isdecimal() and int(said[:20]) > limit and response.request.method != "HEAD":
        raise _too_large(limit)
    body = bytearray()
    # To leave the loop would leave the generators beneath it to the garbage collector; a cancel ends them all.
    with trio.CancelScope() as enough:
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > limit:
                enough.cancel()
    if len(body) > limit:
        raise _too_large(limit)
    window = _UNPACKED.get(response.headers.get("content-encoding", "").strip().lower())
    if window is None or not body:
        return bytes(body)
    unpacker = zlib.decompressobj(window)
    try:
        unpacked = unpacker.decompress(bytes(body), limit + 1)
    except zlib.error as error:
        raise NodeError(f"the body is not what its content-encoding says: {error}", code="http_failed") from error
    if len(unpacked) > limit:
        raise _too_large(limit)
    if not unpacker.eof:
        raise NodeError("the compressed body ends too early", code="http_failed")
    return unpacked


def _too_large(limit: int) -> NodeError:
    return NodeError(f"the body has more than {limit} bytes (max_result)", code="result_too_large")


def _value(response: httpx.Response, body: bytes) -> Json:
    """A body as JSON has it: what its type says it is, as far as that is true."""
    if not body:
        return None
    kind, *parameters = (part.strip() for part in response.headers.get("content-type", "").lower().split(";"))
    if _JSON.fullmatch(kind):
        try:
            return orjson.loads(body)
        except ValueError:
            kind = "text/plain"
    charset = next((part[8:].strip("\"' ") for part in parameters if part.startswith("charset=")), "")
    if _TEXT.fullmatch(kind):
        return body.decode(charset if _CHARSET.fullmatch(charset) else "utf-8", errors="replace")
    if not kind:
        try:
            return body.decode()
        except UnicodeDecodeError:
            pass
    return {"base64": base64.b64encode(body).decode()}
