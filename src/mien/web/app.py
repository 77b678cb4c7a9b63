"""The server as an ASGI application: `create_app(config)`."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response

import mien
from mien.pipeline.decoding import Start
from mien.verbs.demo import sample
from mien.verbs.models import models
from mien.web import pictures, stream, videos
from mien.web.answers import About, Health, columns_of
from mien.web.guard import Guard
from mien.web.jobs import WORKER, Jobs
from mien.web.metrics import Metrics
from mien.web.recognition import Recognition
from mien.web.refusals import RESPONSES, answer_refusals
from mien.web.settings import MB, ServeConfig

STATIC = Path(__file__).parent / "static"
_TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def create_app(
    config: ServeConfig | None = None, *, worker: Sequence[str] = WORKER, decoder: Start | None = None
) -> FastAPI:
    """The page, the REST interface and the WebSocket.

    Args:
        config: the settings; the defaults if None.
        worker: the command that reads a video; see `mien.web.clip_process`.
        decoder: what the processes that decode pictures run; see `mien.pipeline.decoding`.

    Raises:
        UsageError: the model or detector is not known, or is no model of single pictures.
        ModelError: the model is missing or damaged.
        MissingExtraError: the detector needs an extra that is not installed.
    """
    config = config or ServeConfig()
    metrics = Metrics()
    recognition = Recognition(config, metrics, decoder=decoder)
    jobs = Jobs(
        _job_options(config),
        metrics,
        most=config.max_jobs,
        keep_s=60 * config.keep_minutes,
        limit_s=60 * config.job_minutes,
        worker=worker,
    )

    @contextlib.asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        jobs.start()
        try:
            yield
        finally:
            await jobs.close()
            recognition.close()

    app = FastAPI(
        title="mien",
        summary="Recognises facial expressions.",
        version=mien.__version__,
        lifespan=life,
        responses=RESPONSES,
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.recognition, app.state.jobs = recognition, jobs
    app.state.crowded = lambda: False  # whoever serves the app knows better
    answer_refusals(app)
    app.include_router(pictures.router(config, recognition, metrics))
    app.include_router(videos.router(jobs, recognition))
    app.include_router(stream.router(recognition, metrics, most_streams=config.max_streams))
    app.include_router(_about(config, recognition, metrics))
    files = _page_files()
    app.include_router(_page(files))
    if config.allow_origin:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(config.allow_origin),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["X-API-Key", "Authorization"],
        )
    app.add_middleware(
        Guard,
        config=config,
        keyless=frozenset(files),
        metrics=metrics,
        expect_room=jobs.expect_room,
        crowded=lambda: app.state.crowded(),
    )
    return app


def _job_options(config: ServeConfig) -> dict[str, object]:
    return {
        "model": str(config.model),
        "head": config.head,
        "detector": config.detector,
        "min_face": config.min_face,
        "device": config.device,
        "most_seconds": 60 * config.max_video_minutes,
        "most_megapixels": config.max_megapixels,
    }


def _about(config: ServeConfig, recognition: Recognition, metrics: Metrics) -> APIRouter:
    """What the server says of itself."""
    routes = APIRouter()
    card = recognition.recognizer.classifier.card
    labels = recognition.recognizer.label_set

    @routes.get("/models", summary="The model that answers, and what the server takes at most.")
    def about() -> About:
        cards = models().cards | {card.name: card}
        return About(
            model=card.name,
            head=recognition.recognizer.head,
            labels=list(labels),
            columns=columns_of(labels),
            detector=config.detector,
            live_heat=recognition.explainer.quick,
            models={
                name: {
                    "heads": {head: list(each.label_set) for head, each in found.heads.items()},
                    "license": found.license,
                }
                for name, found in cards.items()
            },
            limits={
                "upload_bytes": config.max_upload_mb * MB,
                "pictures": config.max_pictures,
                "megapixels": config.max_megapixels,
                "video_bytes": config.max_video_mb * MB,
                "video_seconds": 60 * config.max_video_minutes,
                "requests_per_second": config.requests_per_s,
            },
        )

    @routes.get("/health", summary="Whether the server takes requests.")
    async def health() -> Health:
        if recognition.stopping:
            return JSONResponse({"status": "stopping", "version": mien.__version__}, 503)  # type: ignore[return-value]
        return Health(status="ok", version=mien.__version__)

    @routes.get("/metrics", summary="Counters, as Prometheus reads them.", response_class=PlainTextResponse)
    async def counters() -> Response:
        return Response(metrics.text(), media_type=metrics.CONTENT_TYPE)

    return routes


def _page_files() -> dict[str, Path]:
    """Address -> file of the page. Only these are given out: no name in a request becomes a path."""
    files = {f"/{path.name}": path for path in STATIC.iterdir() if path.suffix in _TYPES}
    return {"/": STATIC / "index.html", "/sample.jpg": sample("astronaut"), **files}


def _page(files: dict[str, Path]) -> APIRouter:
    routes = APIRouter()

    async def page(request: Request) -> Response:
        path = files[request.url.path]
        kind = _TYPES.get(path.suffix, pictures.JPEG)
        return FileResponse(path, media_type=kind, headers={"Cache-Control": "no-cache"})

    for address in files:
        routes.add_api_route(address, page, methods=["GET", "HEAD"], include_in_schema=False)
    return routes
