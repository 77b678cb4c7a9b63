"""`mien serve`: the web page, the REST interface and the WebSocket on one port."""

import asyncio
import contextlib
import os
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import Any

from mien.core.errors import UsageError
from mien.core.optional import require
from mien.web.settings import ServeConfig

FETCH_S = 60.0  # a stopping server waits so long for someone to get the tables of videos that are read
_HEADER_S = 10.0
_CONNECTIONS = 512  # above which a request is answered with 503
_CLOSE_S = 5  # for answers under way, once nothing is left to do


def serve(
    config: ServeConfig | None = None,
    *,
    tell: Callable[[str], None] = print,
    ready: Callable[[str], None] | None = None,
    **changes: Any,
) -> None:
    """Serve until the process is told to stop (Ctrl-C, or SIGTERM).

    Then nothing new is taken, the videos that wait or are read are finished, and the server waits, for a minute at
    most, until each of their tables was fetched as csv, or deleted; a second signal ends it at once.

    Args:
        config: the settings; the defaults if None.
        tell: gets a line when the server is there, and when it stops.
        ready: called with the page's address once it can be opened.
        **changes: fields of `ServeConfig` to set, such as ``port=8080``.

    Raises:
        UsageError: an option or name is not known, the port is in use, or the certificate does not fit its key.
        ModelError: the model is missing, damaged, or does not fit its card.
        MissingExtraError: the extra `web` is not installed.

    Example:
        >>> import mien
        >>> mien.serve(port=8080)  # doctest: +SKIP
    """
    config = replace(config or ServeConfig(), **changes)
    for package in ("fastapi", "uvicorn", "httptools", "websockets", "python_multipart", "prometheus_client"):
        require(package, extra="web")
    _check_certificate(config)
    listening = _listen(config)
    with contextlib.closing(listening):
        from mien.web.app import create_app

        app = create_app(config)
        app.state.recognition.warm()
        address = _address(config, listening.getsockname()[1])
        asyncio.run(_run(app, config, listening, lambda: _announce(config, address, tell, ready), tell))


def _announce(
    config: ServeConfig, address: str, tell: Callable[[str], None], ready: Callable[[str], None] | None
) -> None:
    tell(f"mien serves {config.model} at {address} (Ctrl-C stops it)")
    if ready:
        ready(address)


async def _run(
    app: Any, config: ServeConfig, listening: socket.socket, announce: Callable[[], None], tell: Callable[[str], None]
) -> None:
    import uvicorn
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class Protocol(HttpToolsProtocol):
        """Hangs up where no request comes, or half of one: uvicorn itself waits for the rest without end."""

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._alarm = self.loop.call_later(_HEADER_S, transport.close)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            answered = self.cycle is not None and self.cycle.response_complete
            if answered and self._alarm.cancelled() and self in self.connections:  # no WebSocket by now
                self._alarm = self.loop.call_later(_HEADER_S, self.transport.close)

        def on_headers_complete(self) -> None:
            self._alarm.cancel()
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._alarm.cancel()
            super().connection_lost(exc)

    settings = uvicorn.Config(
        app,
        http=Protocol,
        ws="websockets-sansio",
        ws_max_size=4_000_000,
        ws_per_message_deflate=False,  # JPEG does not shrink
        lifespan="on",
        log_level="warning",
        access_log=False,  # who looked at what is nobody's business
        server_header=False,
        date_header=True,
        proxy_headers=bool(config.trust_proxy),
        forwarded_allow_ips=list(config.trust_proxy),
        timeout_graceful_shutdown=_CLOSE_S,
        ssl_certfile=config.tls_cert,
        ssl_keyfile=os.fspath(config.tls_key) if config.tls_key is not None else None,
    )
    server = uvicorn.Server(settings)
    app.state.crowded = lambda: len(server.server_state.connections) > _CONNECTIONS
    stop = _Stop(server, app.state.recognition, app.state.jobs, tell)
    server.handle_exit = stop.asked  # type: ignore[method-assign]
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.01)
    if server.started:
        announce()
    await serving


class _Stop:
    """Lets the server end when nothing is left to do: at the first signal it begins to wait for that."""

    def __init__(self, server: Any, recognition: Any, jobs: Any, tell: Callable[[str], None]) -> None:
        self._server, self._recognition, self._jobs, self._tell = server, recognition, jobs, tell
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Task[None] | None = None

    def asked(self, sig: int, frame: FrameType | None) -> None:
        """Takes uvicorn's place for the signals that stop it."""
        again = self._recognition.stopping
        self._recognition.stopping = True
        if again or not (self._jobs.unfinished or self._jobs.unfetched):
            self._server.should_exit = True
            return
        self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        self._tell(
            f"mien finishes {self._jobs.unfinished} videos and waits {FETCH_S:g} s for their tables to be fetched; "
            "Ctrl-C again ends it at once"
        )
        self._waiting = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        while self._jobs.unfinished:
            await asyncio.sleep(0.2)
        until = time.monotonic() + FETCH_S
        while self._jobs.unfetched and time.monotonic() < until:
            await asyncio.sleep(0.2)
        self._server.should_exit = True


def _check_certificate(config: ServeConfig) -> None:
    if config.tls_cert is None or config.tls_key is None:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(config.tls_cert, config.tls_key)
    except (ssl.SSLError, OSError) as error:
        what = getattr(error, "reason", None) or error.strerror or error
        raise UsageError(
            f"expected a PEM certificate and its key in {config.tls_cert} and {config.tls_key}, got: {what}"
        ) from error


def _listen(config: ServeConfig) -> socket.socket:
    """The socket to listen on, before the model is loaded: a port in use is said at once."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        socket.getaddrinfo(config.host, config.port, family)
        return socket.create_server((config.host, config.port), family=family, backlog=256)
    except socket.gaierror as error:
        raise UsageError(
            f"expected an address of this machine as --host, got {config.host!r}: {error.strerror}"
        ) from error
    except OSError as error:
        raise UsageError(
            f"expected a free port at {config.host}:{config.port}, got: {os.strerror(error.errno or 0)}: "
            "give --port N, or 0 for any"
        ) from error


def _address(config: ServeConfig, port: int) -> str:
    scheme = "http" if config.tls_cert is None else "https"
    # A browser gives its camera to localhost, and not to a bare address without HTTPS.
    host = "localhost" if config.on_loopback or config.host in ("0.0.0.0", "::") else config.host
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"
