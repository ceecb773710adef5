"""The kind that speaks HTTP: `http`.

*Theory of operation.* What is sent and read is `actors.fetching`'s, imported – in a thread, for it is large – by the
first node that needs it. A GET or HEAD changes nothing, so a pause cuts it and it is sent again. Any other method acts:
it is in `once`, a pause waits for it, and its `Idempotency-Key` is the same whenever it is sent again after a crash or
a failure. Its deadline is its own, so that it holds inside of `once` as well.
"""

import functools
import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final
from urllib.parse import quote

import attrs
import orjson
import trio

from actors.config import option
from actors.context import NodeContext
from actors.errors import NodeError
from actors.registry import node
from actors.secrets import quoted
from protocol.messages import Json

__all__ = ["HttpConfig", "http", "load_fetching"]

SAFE: Final = ("GET", "HEAD")
"""Methods that a pause may cut, because they change nothing (RFC 9110, 9.2.1)."""

TIMEOUT_MS: Final = 30_000.0

_RESERVED: Final = frozenset(
    {"connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""They frame the message or choose whom it is for: written for the node, never by it."""


def _check_method(method: str) -> None:
    # RFC 9110, 5.6.2: a token. CONNECT makes a tunnel, and TRACE sends back what it is sent.
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,40}", method) or method.upper() in ("CONNECT", "TRACE"):
        raise ValueError(f"{quoted(method, 40)} is no method to send")


def _check_url(url: str) -> None:
    if re.match(r"https?://[^/?#]", url, re.IGNORECASE) is None:
        raise ValueError(f"expected http:// or https:// and a host, not {quoted(url, 60)}")


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
            raise ValueError(f"{quoted(name, 60)} is no name of a header")
        if name.lower() in _RESERVED:
            raise ValueError(f"{name} is not for a node to set")
        if not re.fullmatch(r"[\t -~]*", value):
            raise ValueError(f"the value of {name} has a line break, a control character or one that is not ASCII")


def _check_query(query: Mapping[str, Json]) -> None:
    for name, value in query.items():
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, str | int | float | bool | None):
                raise ValueError(  # noqa: TRY004  what is wrong is a setting
                    f"{quoted(name, 60)}: expected a text, a number, true, false, null or a list of them"
                )


@attrs.frozen(kw_only=True)
class HttpConfig:
    """Settings of `http`."""

    method: str = option("GET", choices=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"), check=_check_method)
    """What to do with it."""
    url: str = option(check=_check_url)
    """http:// or https://, a host that the server may reach, and the rest; no name and password."""
    headers: Mapping[str, str] = option(factory=dict, check=_check_headers)
    """Sent with it; `Host` and what frames a message can not be set."""
    query: Mapping[str, Json] = option(factory=dict, check=_check_query)
    """Added to the URL; a list gives its name several values."""
    body: str | None = None
    """Sent as it is, in UTF-8."""
    json: Json = ...
    """Sent as JSON, instead of a body."""
    timeout: float | None = option(TIMEOUT_MS, minimum=1)
    """Milliseconds for all of it, redirects and body included."""


def _is_safe(config: HttpConfig) -> bool:
    return config.method.upper() in SAFE


@node(
    "http",
    config=HttpConfig,
    effects=lambda config: not _is_safe(config),
    interruptible=_is_safe,
    own_timeout=True,
)
async def http(ctx: NodeContext[HttpConfig]) -> Json:
    """Sends an HTTP request; the result has the status, headers and body of the answer.

    Whatever the status, an answer is a result: what is to be an error is for a `condition` to say. A body of JSON is a
    value, text is text, nothing is null, and anything else `{"base64": …}`.

    *What is reached*: the hosts that the server's `http_allow` lists, at the ports that it lists, over http and https;
    none by default. Each redirect (10 at most) is held to it again, and so is each address that a name leads to: one
    that is not public (this machine, the local network, a cloud's metadata service) must be listed itself. The
    connection goes to the address that was looked at. Proxies, netrc and cookies of other requests are not used. On the
    way to another origin the `headers` of the config are left out, except for accept*, content-*, user-agent and
    idempotency-key.

    *What is read*: at most `max_result` bytes, compressed or not; more is an error and the rest is never read.

    *What is repeated*: GET and HEAD, after a pause. Any other method is sent once; if nobody knows whether it was, it
    is sent again with the same `Idempotency-Key`, which is in its headers unless the config has one.

    Raises:
        NodeError: code `not_allowed`: a host, address or scheme. Code `http_failed`: no connection, or no HTTP. Code
            `timeout`, `result_too_large`, `bad_config`.
    """
    config = ctx.config
    if _is_safe(config):
        return await _send(ctx, config)
    return await ctx.once("request", lambda: _send(ctx, config))


async def _send(ctx: NodeContext[HttpConfig], config: HttpConfig) -> Json:
    method, headers, content = config.method.upper(), dict(config.headers), None
    said = {name.lower() for name in headers}
    if config.json is not ...:
        if config.body is not None:
            raise NodeError("body and json: a request has one of them", code="bad_config")
        content = orjson.dumps(config.json)
        headers |= {} if "content-type" in said else {"Content-Type": "application/json"}
    elif config.body is not None:
        content = config.body.encode(errors="replace")
        headers |= {} if "content-type" in said else {"Content-Type": "text/plain; charset=utf-8"}
    if "accept-encoding" not in said:
        headers["Accept-Encoding"] = "identity"
    if method not in SAFE and "idempotency-key" not in said:
        headers["Idempotency-Key"] = quote(ctx.idempotency_key, safe="/-._~")
    seconds = (config.timeout or TIMEOUT_MS) / 1000
    with trio.move_on_after(seconds):
        fetching = await _fetching()
        answer = await fetching.fetch(
            method,
            config.url,
            headers=headers,
            query=config.query,
            content=content,
            hosts=ctx.allowed.hosts,
            limit=ctx.allowed.result_bytes,
        )
        return {"status": answer.status, "headers": dict(answer.headers), "body": answer.body}
    raise NodeError(f"{method}: no answer within {seconds:g} s", code="timeout")


@functools.cache
def load_fetching() -> Any:
    """The module that sends; the first import of it takes a third of a second."""
    return import_module("actors.fetching")


async def _fetching() -> Any:
    """The module, imported in a thread, which has the time for it that the loop has not."""
    if load_fetching.cache_info().currsize:
        await trio.lowlevel.checkpoint()
        return load_fetching()
    # A cancel leaves the import to the thread: whoever comes next finds it done, or waits for its lock.
    return await trio.to_thread.run_sync(load_fetching, abandon_on_cancel=True)
