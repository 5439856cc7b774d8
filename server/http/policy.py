"""Headers that protect browsers, and which pages may call from where."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

from tformer.server.http.answers import json_answer
from tformer.server.http.options import HttpOptions

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PROTECTION = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of every answer that has none of its own."""

SERVER = "tformer"

METHODS = "GET, POST, DELETE"
HEADERS = ", ".join(
    (
        "Authorization",
        "Content-Type",
        "X-Request-Id",
        "X-Goog-Api-Key",
        "X-Grpc-Web",
        "X-User-Agent",
        "Grpc-Timeout",
    )
)
READABLE = "X-Request-Id, Retry-After, Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin"
DAY = "86400"


class Policy:
    """Rules for browsers."""

    def __init__(self, options: HttpOptions) -> None:
        """The rules that the options name."""
        self._options = options

    async def protect(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Add the headers of an answer; called before it is sent."""
        for name, value in PROTECTION.items():
            response.headers.setdefault(name, value)
        response.headers["Server"] = SERVER
        origin = request.headers.get("Origin", "")
        if origin and self._options.allows(origin):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = READABLE
            response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        response.headers.add("Vary", "Origin")

    @property
    def middleware(self) -> Middleware:
        """Refuses pages of other origins, and answers their questions about it."""

        @web.middleware
        async def check_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
            origin = request.headers.get("Origin", "")
            if origin and not (_is_same(origin, request) or self._options.allows(origin)):
                return json_answer({"error": "pages of this origin may not call: --cors"}, 403)
            if request.method == "OPTIONS" and origin:
                return _preflight()
            return await handler(request)

        return check_origin


def _preflight() -> web.Response:
    headers = {
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Allow-Headers": HEADERS,
        "Access-Control-Max-Age": DAY,
    }
    return web.Response(status=204, headers=headers)


def _is_same(origin: str, request: web.Request) -> bool:
    """Return whether a page comes from this server, be it behind a proxy that ends TLS."""
    return urlsplit(origin).netloc.lower() == request.host.lower()
