"""HTTP calls about the server: its page, its health, who is connected, what it can run and say, its metrics."""

import attrs
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from actors.bundle import accepts_page, console
from actors.call import Call
from actors.fitting import PAYLOAD_BYTES
from actors.http import HttpError, Response
from actors.metrics import ServerCollector
from protocol.dialects.text import dumps
from protocol.frames import text_frame
from protocol.schema import schema

__all__ = ["broadcast", "connections", "health", "kinds", "messages", "metrics", "page", "upgrade_needed"]


async def page(call: Call) -> Response:
    """The console for a browser, else who we are."""
    if accepts_page(call.request):
        return await console(call.request)
    who = {"message": "callboard", "version": call.runtime.version}
    return Response.json(who, headers={"Vary": "Accept"})  # noqa: ASYNC910  a look-up


def health(call: Call) -> Response:
    """Whether runs may be started here.

    A server whose journal can not write is degraded, with 200: it answers, its runs wait, and to start it again would
    help nobody.
    """
    if call.runtime.closing:
        return Response.json({"status": "shutting_down", "timestamp": call.runtime.wall()}, status=503)
    if (reason := call.runtime.journal.degraded) is not None:
        return Response.json({"status": "degraded", "reason": reason, "timestamp": call.runtime.wall()})
    return Response.json({"status": "healthy", "timestamp": call.runtime.wall()})


def connections(call: Call) -> Response:
    """Who is connected, and how they do."""
    rows = []
    for member in call.commands.sessions:
        heard = call.runtime.hub.heard_by(member)
        rows.append(
            {
                **attrs.asdict(member.statistics()),
                "subscriptions": heard.subscriptions,
                "conflated": heard.conflated,
            }
        )
    body = {
        "total_connections": len(rows),
        "active_workflows": len(call.runtime.unfinished()),
        "connections": rows,
    }
    return Response(body=dumps(body), content_type="application/json")


def broadcast(call: Call) -> Response:
    """Say something to every connection, verbatim. A peer that has no room for it is not counted."""
    if not call.body:
        raise HttpError(400, "bad_message", "the body must be a JSON object")
    text = dumps(call.json())
    if len(text) > PAYLOAD_BYTES:
        raise HttpError(413, "too_large", f"many clients take no more: a broadcast is {PAYLOAD_BYTES} bytes at most")
    frame = text_frame(text)
    recipients = sum(member.push(frame) for member in call.commands.sessions)
    return Response.json({"status": "broadcasted", "recipients": recipients})


def kinds(call: Call) -> Response:
    """The registered node kinds."""
    return Response(body=dumps({"kinds": call.runtime.registry.describe()}), content_type="application/json")


def messages(call: Call) -> Response:
    """JSON Schema of every message."""
    return Response(body=dumps(schema()), content_type="application/schema+json")


def metrics(call: Call) -> Response:
    """Prometheus."""
    registry = CollectorRegistry()
    registry.register(ServerCollector(call.runtime, call.commands.sessions))
    return Response(body=generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def upgrade_needed(call: Call) -> Response:
    """A WebSocket is here, and no page."""
    error = {"error": {"code": "upgrade_required", "message": "this is a WebSocket"}}
    return Response.json(error, status=426, headers={"Upgrade": "websocket", "Connection": "Upgrade"})
