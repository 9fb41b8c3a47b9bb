"""What keeps a server on one's own machine to oneself.

A page from elsewhere can make a browser send requests to 127.0.0.1. Its requests carry its own `Origin`, or, after it
has pointed its name at 127.0.0.1, its own `Host`; both are refused. So are requests that tell their length in two ways,
which two programs may read differently.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOST = re.compile(r"(\[[^\[\]]*\]|[^:@\[\]]*)(?::\d+)?")  # name or address, and port
LOOPBACK = ("127.0.0.1", "localhost", "::1")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def names_of(host: str, address: str) -> tuple[str, ...]:
    """Names that a server goes by: those of this machine where it listens to nobody else, or empty for any.

    Args:
        host: What it was told to listen on.
        address: The IP address that this turned out to be.

    Example:
        >>> names_of("127.0.0.2", "127.0.0.2")
        ('127.0.0.1', 'localhost', '::1', '127.0.0.2', '127.0.0.2')
        >>> names_of("0.0.0.0", "0.0.0.0")
        ()
    """
    return (*LOOPBACK, host, address) if ipaddress.ip_address(address).is_loopback else ()


class Guard:
    """Answer only requests for this server, and from its own page or from no page at all.

    Args:
        app: What answers them.
        hosts: Names, without a port, that the server goes by; empty for any.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] = LOOPBACK) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with status 403 or 400; answers get headers that shut others out."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        headers = Headers(scope=scope)
        answer: ASGIApp = self._app
        if refusal := self._refusal(headers):
            answer = JSONResponse({"error": refusal}, status_code=403)
        elif "transfer-encoding" in headers and "content-length" in headers:
            problem = {"error": "A request must tell its length once: Content-Length came with Transfer-Encoding."}
            answer = JSONResponse(problem, status_code=400, headers={"Connection": "close"})
        await answer(scope, receive, send_guarded)

    def _refusal(self, headers: Headers) -> str | None:
        host = headers.get("host", "")
        name = HOST.fullmatch(host)
        if self._hosts and (name is None or name[1].strip("[]").lower() not in self._hosts):
            return f"This server does not go by the name {host!r}. Start it with --host to let others in."
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            return f"Requests from the pages of {origin!r} are not answered."
        return None
