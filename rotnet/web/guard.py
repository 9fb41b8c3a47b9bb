"""What keeps a server on one's own machine to oneself.

A page from elsewhere can make a browser send requests to 127.0.0.1. Its requests carry its own `Origin`, or, after it
has pointed its name at 127.0.0.1, its own `Host`; both are refused.
"""

from __future__ import annotations

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
        """Pass a request on, or refuse it with status 403; answers get headers that shut others out."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self._refusal(Headers(scope=scope))
        answer = self._app if refusal is None else JSONResponse({"error": refusal}, status_code=403)
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
