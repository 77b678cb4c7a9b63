"""What stands before every route: who may ask, how often, with how many bytes; and the headers of every answer.

DNS rebinding makes a name of the attacker point at this machine, so that their page may talk to a server that listens
on loopback. So the Host header must be an address, localhost, or a name that was allowed; and what a browser sends
from a page (it says so by Origin) must come from the server's own page or an origin that was allowed.
"""

import asyncio
import base64
import binascii
import hmac
import ipaddress
import socket
import time
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mien.web.metrics import Metrics
from mien.web.rates import Rates
from mien.web.refusals import Refusal
from mien.web.settings import MB, ServeConfig

KEY_PROTOCOL = "mien.key."  # a browser's WebSocket can show its key only as a subprotocol
_OPEN = ("/health",)  # routes without a key, beside the page's own files
_EXTRA_BYTES = 64_000  # of a request beside its files: names, boundaries
_BROKEN = "something went wrong in the server: its log says what"


class Guard:
    """The outermost layer of the app.

    Args:
        app: what it guards.
        config: the limits.
        keyless: paths of the page's files, which hold nothing secret.
        metrics: where requests are counted.
        expect_room: raises Refusal where no video would be taken: that is said before it is uploaded.
        crowded: whether there are more connections than the server holds.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        config: ServeConfig,
        keyless: frozenset[str],
        metrics: Metrics,
        expect_room: Callable[[], None],
        crowded: Callable[[], bool],
    ) -> None:
        self._app, self._config, self._metrics = app, config, metrics
        self._expect_room, self._crowded = expect_room, crowded
        self._keyless = keyless | set(_OPEN)
        self._names = _own_names(config)
        self._rates = Rates(config.requests_per_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _secure(MutableHeaders(scope=message), scope)
            await send(message)

        try:
            self._check(scope)
            await self._app(scope, self._limited(scope, receive) if scope["type"] == "http" else receive, answer)
        except Refusal as refusal:
            await _refuse(refusal, scope, receive, answer)
        except Exception:  # a mistake of ours: uvicorn writes its traceback into the log
            if scope["type"] == "http" and not status:
                await _refuse(Refusal(500, _BROKEN, close=True), scope, receive, answer)
            raise
        finally:
            if scope["type"] == "http":
                route = getattr(scope.get("route"), "path", "other")
                self._metrics.requested(route, status, time.perf_counter() - began)

    def _check(self, scope: Scope) -> None:
        if self._crowded():
            raise Refusal(
                503, "expected fewer connections at once, got too many: ask again", retry_after_s=5, close=True
            )
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        self._check_host(host)
        self._check_origin(headers.get("origin"), host)
        wait_s = self._rates.take(scope["client"][0] if scope.get("client") else "")
        if wait_s:
            raise Refusal(
                429,
                f"expected at most {self._config.requests_per_s:g} requests a second, got more: wait {wait_s} s",
                retry_after_s=wait_s,
            )
        preflight = scope["type"] == "http" and scope["method"] == "OPTIONS"
        if self._config.api_key is not None and scope["path"] not in self._keyless and not preflight:
            _check_key(_shown_key(headers), self._config.api_key)
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._most_bytes(scope["path"]):
            raise self._too_large(scope["path"])
        if scope["path"] == "/videos" and scope.get("method") == "POST":
            self._expect_room()

    def _check_host(self, host: str) -> None:
        name = _name_of(host)
        if name is None or not (_is_address(name) or name in self._names):
            raise Refusal(
                400,
                f"expected an address or a name of this server in the Host header, got {host[:80]!r}: "
                "start it with --allow-host NAME if that is one",
            )

    def _check_origin(self, origin: str | None, host: str) -> None:
        own = (f"http://{host}".lower(), f"https://{host}".lower())
        if origin is None or origin.lower() in (*own, *self._config.allow_origin):
            return
        raise Refusal(
            403,
            f"expected a request of this server's own page, got one of {origin[:80]!r}: "
            "start it with --allow-origin if that site may ask",
        )

    def _most_bytes(self, path: str) -> int:
        most_mb = {"/predict": self._config.max_upload_mb, "/videos": self._config.max_video_mb}.get(path, 0)
        return int(most_mb * MB) + _EXTRA_BYTES

    def _too_large(self, path: str) -> Refusal:
        most = self._most_bytes(path) - _EXTRA_BYTES
        return Refusal(413, f"expected at most {most / MB:g} MB in one request, got more: send less", close=True)

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        """`receive` that refuses a body which is too large, or whose next bytes do not come."""
        got = 0

        async def limited() -> Message:
            nonlocal got
            if got < 0:  # the whole body is there: what follows is the end of the connection, which may take long
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), self._config.timeout_s)
            except TimeoutError:
                raise Refusal(
                    408, f"expected the request's next bytes within {self._config.timeout_s:g} s, got none", close=True
                ) from None
            got += len(message.get("body", b""))
            if got > self._most_bytes(scope["path"]):
                raise self._too_large(scope["path"])
            if not message.get("more_body", False):
                got = -1
            return message

        return limited


def _own_names(config: ServeConfig) -> frozenset[str]:
    """Names by which this server may be asked for, beside its addresses."""
    names = {"localhost", *config.allow_host}
    if not _is_address(config.host):
        names.add(config.host)
    if not config.on_loopback:
        machine = socket.gethostname()
        names |= {machine, f"{machine.partition('.')[0]}.local"}
    return frozenset(name.lower() for name in names)


def _name_of(host: str) -> str | None:
    """The host of a Host header, without its port; None if it is malformed."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises for one that is no number
    except ValueError:
        return None
    return parts.hostname if parts.netloc == host and "@" not in host else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _shown_key(headers: Headers) -> str:
    """The key of a request: X-API-Key, a bearer token, or of a WebSocket a subprotocol."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return headers.get("x-api-key") or _key_in(headers.get("sec-websocket-protocol", "").split(","))


def _key_in(protocols: Iterable[str]) -> str:
    for protocol in map(str.strip, protocols):
        if protocol.startswith(KEY_PROTOCOL):
            text = protocol.removeprefix(KEY_PROTOCOL)
            try:
                return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
            except (binascii.Error, ValueError):
                return ""
    return ""


def _check_key(shown: str, key: str) -> None:
    if not hmac.compare_digest(shown.encode("utf-8", "replace"), key.encode()):
        got = "another" if shown else "none"
        raise Refusal(401, f"expected the server's key as X-API-Key or a bearer token, got {got}")


async def _refuse(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()  # websocket.connect
        await send({"type": "websocket.close", "code": 4000 + refusal.status_code, "reason": refusal.detail[:120]})
        return
    headers = dict(refusal.headers or {})
    if refusal.status_code == 401:
        headers["WWW-Authenticate"] = "Bearer"
    await JSONResponse({"error": refusal.detail}, refusal.status_code, headers=headers)(scope, receive, send)


def _secure(headers: MutableHeaders, scope: Scope) -> None:
    """Headers that keep other sites and stray scripts out of the page."""
    host = Headers(scope=scope).get("host", "")
    name = host if _name_of(host) else ""
    streams = f" ws://{name} wss://{name}" if name else ""  # older browsers do not count them as 'self'
    headers["Content-Security-Policy"] = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
        f"connect-src 'self'{streams}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers["X-Content-Type-Options"] = "nosniff"
    headers["X-Frame-Options"] = "DENY"
    headers["Referrer-Policy"] = "no-referrer"
    headers["Permissions-Policy"] = "camera=(self), microphone=(), geolocation=(), payment=(), usb=()"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers.setdefault("Cache-Control", "no-store")
