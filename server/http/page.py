"""The page at ``/``: three files, served under a policy that lets them ask this server alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

FOLDER = Path(__file__).parent

FILES = {
    "/": ("page.html", "text/html"),
    "/page/page.css": ("page.css", "text/css"),
    "/page/page.js": ("page.js", "text/javascript"),
    "/page/icon.svg": ("icon.svg", "image/svg+xml"),
}

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)


def page_routes() -> list[web.RouteDef]:
    """Paths of the page and their handlers."""
    return [web.get(path, _handler(*file)) for path, file in FILES.items()]


def _handler(name: str, content_type: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    body = (FOLDER / name).read_bytes()

    async def handle(request: web.Request) -> web.Response:
        headers = {
            "Content-Type": f"{content_type}; charset=utf-8",
            "Content-Security-Policy": POLICY,
            "Cache-Control": "no-cache",
        }
        return web.Response(body=body, headers=headers)

    return handle
