"""A small shop of pages on a real socket of this machine; it remembers what it was asked for."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

__all__ = ["Shop", "open_shop"]

COUNT = """<script>
window.n = {mousedown: 0, mouseup: 0, click: 0, dblclick: 0};
for (const kind of Object.keys(n)) document.addEventListener(kind, e => n[kind]++, true);
window.all = [];
for (const kind of ['pointerdown', 'mousedown', 'click']) window.addEventListener(kind, e => all.push(kind), true);
const get = name => Number(new URLSearchParams(location.search).get(name));
</script>"""

PAGES = {
    "/": """<form action=/login><input id=user name=user value=old><input id=pw name=pw type=password>
      <button type=submit>Log in</button></form>""",
    "/orders": """<h1 class=welcome>Welcome, ada</h1>
      <ul>{orders}</ul><script>
      for (const order of document.querySelectorAll('.order'))
        order.ondblclick = () => fetch('/opened?' + order.id)
      </script>""",
    "/count": "<button id=b>go</button>",
    "/slow": "<script>setTimeout(() => document.body.innerHTML = '<button id=b>late</button>', get('ms'))</script>",
    "/covered": """<button id=b>go</button><div id=over style="position:fixed;inset:0;background:#ccc"></div>
      <script>setTimeout(() => document.getElementById('over').remove(), get('ms'))</script>""",
    "/moving": """<button id=b style="position:absolute;left:0;width:80px;height:30px">go</button><script>
      let i = 0; setInterval(() => b.style.left = (++i % 2 ? 300 : 0) + 'px', get('ms'))</script>""",
    "/frame": "<iframe id=pay src=/framed></iframe>",
    "/framed": "<button id=b onclick=\"fetch('/paid')\">pay</button>",
    "/dialog": "<button id=b onclick=\"document.title = confirm('Really?') ? 'yes' : 'no'\">ask</button>",
    "/busy": """<button id=b onclick="const end = Date.now() + get('ms'); while (Date.now() < end);">hang</button>""",
    "/hidden": "<p id=gone style='display:none'>gone</p><p class=row>one</p><p class=row>two</p><input id=i value=typed>",
    "/window": "<button id=b onclick=\"window.open('/count')\">another</button>",
    "/disabled": "<button id=b disabled>no</button><input id=i disabled>",
}
ORDERS = "".join(f"<li class=order id=order-{number}>Order {number}</li>" for number in (1, 2, 3))


class Shop:
    """Where it is, and what it was asked for."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.asked: list[str] = []
        self.extra = ""
        """More of the page with the orders."""
        self.closing = threading.Event()

    def url(self, path: str) -> str:
        return f"{self.address}{path}"


@contextmanager
def open_shop() -> Iterator[Shop]:
    """A shop that is open as long as the block. `/never` gives no answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shop.asked.append(self.path)
            parts = urlsplit(self.path)
            if parts.path == "/never":
                shop.closing.wait()
            if parts.path == "/login":
                self.send_response(303)
                user = parse_qs(parts.query)["user"][0]
                self.send_header("Set-Cookie", f"who={user}; Path=/")
                self.send_header("Location", "/orders")
                self.end_headers()
                return
            page = PAGES.get(parts.path)
            if parts.path == "/orders" and "who=ada" not in self.headers.get("Cookie", ""):
                page = "<h1>Please log in</h1>"
            body = (
                f"<!doctype html><body>{COUNT}{page}".replace("{orders}", ORDERS + shop.extra).encode() if page else b""
            )
            self.send_response(200 if page else 204)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):
                self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        shop = Shop(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield shop
        finally:
            shop.closing.set()
            server.shutdown()
            thread.join()
