"""The web server of `tuilabel serve`: a page to say who one is, the page with the screen, and its WebSocket."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import WSCloseCode, WSMsgType, web
from jinja2 import Environment, PackageLoader, StrictUndefined

from tuilabel.errors import TuilabelError
from tuilabel.web.access import LONGEST_NAME, Access, is_visitors_name
from tuilabel.web.session import BrowserSession

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"
HEARTBEAT = 15.0  # seconds; a browser that is silent for that long is gone
LONGEST_MESSAGE = 1 << 16  # bytes
COLUMNS, ROWS = (20, 400), (5, 200)  # fewest and most
COOKIE_AGE = 7 * 24 * 3600  # seconds
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; font-src 'self'; "
        "img-src 'self' data: blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the token may be in the address of the first visit
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class WebServer:
    """Serves one project.

    Parameters
    ----------
    arguments : of `tuilabel label`, for every browser.
    title : shown on the pages.
    access : who may come in.
    max_sessions : how many may label at once; each has a program with a trainer.
    idle : seconds without a key or a movement of the mouse after which a session ends.
    """

    arguments: Sequence[str]
    title: str
    access: Access
    max_sessions: int
    idle: float
    port: int
    sockets: set[web.WebSocketResponse] = field(default_factory=set)
    """Those of the sessions that run."""

    def __post_init__(self) -> None:
        environment = Environment(loader=PackageLoader("tuilabel.web"), autoescape=True, undefined=StrictUndefined)
        self._page = environment.get_template("page.html")

    def application(self) -> web.Application:
        """The application of aiohttp."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._guard(request, handler)

        application = web.Application(middlewares=[guard], client_max_size=LONGEST_MESSAGE)
        application.add_routes(
            [
                web.get("/", self._index),
                web.post("/", self._token),
                web.get("/ws/{annotator}", self._websocket),
                web.static("/static", STATIC),
            ]
        )
        application.on_shutdown.append(self._close_all)
        return application

    async def run(self, host: str, on_ready: Callable[[int], object], stop: asyncio.Event) -> None:
        """Serve until `stop` is set; then every program has ended, with its answers on disk.

        Parameters
        ----------
        on_ready : called with the port when visitors can come.

        Raises
        ------
        TuilabelError : if the port cannot be used.
        """
        runner = web.AppRunner(self.application(), access_log=None)  # which would note tokens
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, self.port)
            try:
                await site.start()
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                raise TuilabelError(
                    f"cannot listen on {host} port {self.port}: {reason}; pass another `port`"
                ) from error
            self.port = runner.addresses[0][1]
            on_ready(self.port)
            await stop.wait()
        finally:
            await runner.cleanup()

    @property
    def _cookie(self) -> str:
        return f"tuilabel-{self.port}"  # cookies do not tell ports apart

    def _admits(self, request: web.Request) -> bool:
        return self.access.admits(request.cookies.get(self._cookie))

    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self.access.believes(request.headers.get("Host")):
            return web.Response(status=421, text="This server is reached as localhost only.\n")
        try:
            response = await handler(request)
        except web.HTTPException as error:
            error.headers.update(HEADERS)
            raise
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    def _html(self, ask: str, status: int = 200, **values: Any) -> web.Response:
        values = {"annotator": "", "problem": "", "longest": LONGEST_NAME, **values}
        text = self._page.render(title=self.title, ask=ask, **values)
        return web.Response(text=text, status=status, content_type="text/html")

    def _enter(self, request: web.Request, token: str, location: str) -> web.Response:
        if not self.access.knows(token):
            log.warning("a wrong token from %s", request.remote)
            return self._html("token", 403, problem="That is not the token.")
        response = web.Response(status=303, headers={"Location": location})
        secure = (self.access.public_url or "").startswith("https:")
        response.set_cookie(
            self._cookie, self.access.cookie, max_age=COOKIE_AGE, httponly=True, samesite="Lax", secure=secure
        )
        return response

    async def _token(self, request: web.Request) -> web.Response:
        """The form with the token."""
        given = (await request.post()).get("token", "")
        return self._enter(request, given.strip() if isinstance(given, str) else "", "/")

    async def _index(self, request: web.Request) -> web.Response:
        """Ask for what is not known yet, then show the screen."""
        annotator = " ".join(request.query.get("annotator", "").split())
        if "token" in request.query and self.access.token is not None:
            rest = f"/?annotator={quote(annotator, safe='')}" if annotator else "/"
            return self._enter(request, request.query["token"], rest)
        if not self._admits(request):
            return self._html("token", 401)
        if not annotator:
            return self._html("name")
        if not is_visitors_name(annotator):
            problem = f"A name has letters, digits, spaces and . @ ' - only, {LONGEST_NAME} of them at most."
            return self._html("name", 400, annotator=annotator[:LONGEST_NAME], problem=problem)
        return self._html("", annotator=annotator)

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        annotator = request.match_info["annotator"]
        if not self._admits(request):
            raise web.HTTPUnauthorized
        if not self.access.same_origin(request.headers.get("Origin"), request.headers.get("Host")):
            raise web.HTTPForbidden
        if not is_visitors_name(annotator):
            raise web.HTTPBadRequest
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=LONGEST_MESSAGE)
        await socket.prepare(request)
        if len(self.sockets) >= self.max_sessions:
            await _fail(socket, f"{len(self.sockets)} people label already, which is as many as may: come back later.")
            return socket
        self.sockets.add(socket)
        session = BrowserSession(
            [sys.executable, "-m", "tuilabel", "label", f"--annotator={annotator}", *self.arguments],
            write_bytes=socket.send_bytes,
            write_str=socket.send_str,
            close=lambda: _end(socket, session),
        )
        try:
            await session.start(
                _within(request.query.get("width"), COLUMNS), _within(request.query.get("height"), ROWS)
            )
            await self._listen(socket, session)
        finally:
            await asyncio.shield(session.stop())
            self.sockets.discard(socket)
            with suppress(Exception):
                await socket.close()
        return socket

    async def _listen(self, socket: web.WebSocketResponse, session: BrowserSession) -> None:
        """Pass on what the browser sends until it is gone, or nobody has been at it for too long."""
        now = asyncio.get_running_loop().time
        with suppress(TimeoutError):
            async with asyncio.timeout(self.idle) as limit:
                async for message in socket:
                    kind, value = _envelope(message.data) if message.type is WSMsgType.TEXT else ("", None)
                    match kind, value:
                        case "stdin", str(keys):
                            limit.reschedule(now() + self.idle)
                            await session.send_bytes(keys.encode(errors="replace"))
                        case "resize", {"width": columns, "height": rows}:
                            await session.set_terminal_size(_within(columns, COLUMNS), _within(rows, ROWS))

    async def _close_all(self, _application: web.Application) -> None:
        for socket in list(self.sockets):
            with suppress(Exception):
                await socket.close(code=WSCloseCode.GOING_AWAY)


def _envelope(data: str) -> tuple[str, object]:
    """The kind and the value of a message; an empty kind for anything else."""
    try:
        kind, value = json.loads(data)
    except (ValueError, TypeError, RecursionError):
        return "", None
    return (kind, value) if isinstance(kind, str) else ("", None)


def _within(value: object, limits: tuple[int, int]) -> int:
    """A size that a browser claims, within limits; the smallest for anything that is not a number."""
    try:
        return min(max(int(value), limits[0]), limits[1])  # type: ignore[call-overload, no-any-return]
    except (TypeError, ValueError, OverflowError):
        return limits[0]


async def _end(socket: web.WebSocketResponse, session: BrowserSession) -> None:
    if session.failure is not None:
        await _fail(socket, session.failure)
    await socket.close()


async def _fail(socket: web.WebSocketResponse, text: str) -> None:
    await socket.send_str(json.dumps(["failed", text]))
    await socket.close()
