"""`mien serve`."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from mien.cli.console import examples
from mien.cli.options import Device, Head, MinFace, Model

_EXAMPLES = examples(
    "mien serve",
    "mien serve --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem --api-key SECRET",
)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("serve", epilog=_EXAMPLES)(serve)


def serve(
    host: Annotated[str, typer.Option("--host", metavar="H", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", metavar="P", help="0 takes any that is free.")] = 8000,
    model: Model = "mien-s",
    head: Head = None,
    detector: Annotated[str, typer.Option("--detector", metavar="mtcnn|haar|dlib|none")] = "mtcnn",
    min_face: MinFace = 40,
    device: Device = "auto",
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", help="Threads that recognise; as many as cores.")
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option("--api-key", metavar="KEY", envvar="MIEN_API_KEY", help="What requests must show."),
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", metavar="PEM", help="Certificate, for HTTPS.")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", metavar="PEM", help="Its key.")] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="A further name of this server; may repeat."),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option("--allow-origin", metavar="URL", help="A site whose pages may ask this server; may repeat."),
    ] = None,
    trust_proxy: Annotated[
        list[str] | None,
        typer.Option("--trust-proxy", metavar="ADDRESS", help="A reverse proxy that names the clients; may repeat."),
    ] = None,
    max_upload_mb: Annotated[float, typer.Option("--max-upload-mb", metavar="MB", help="Of one request.")] = 32,
    max_pictures: Annotated[int, typer.Option("--max-pictures", metavar="N", help="In one request.")] = 64,
    max_megapixels: Annotated[float, typer.Option("--max-megapixels", metavar="N", help="Of a picture.")] = 40,
    max_video_mb: Annotated[float, typer.Option("--max-video-mb", metavar="MB", help="Of a video.")] = 512,
    max_video_minutes: Annotated[float, typer.Option("--max-video-minutes", metavar="N", help="Of a video.")] = 30,
    max_waiting: Annotated[int, typer.Option("--max-waiting", metavar="N", help="Requests in the queue.")] = 64,
    max_jobs: Annotated[int, typer.Option("--max-jobs", metavar="N", help="Videos in the queue.")] = 8,
    max_streams: Annotated[int, typer.Option("--max-streams", metavar="N", help="Cameras at once.")] = 16,
    rate: Annotated[
        float | None,
        typer.Option("--rate", metavar="N", help="Requests a second of one client; 0: any. 20, on loopback any."),
    ] = None,
    timeout_s: Annotated[float, typer.Option("--timeout-s", metavar="S", help="For a request's next bytes.")] = 30,
    job_minutes: Annotated[float, typer.Option("--job-minutes", metavar="N", help="For one video.")] = 60,
    keep_minutes: Annotated[float, typer.Option("--keep-minutes", metavar="N", help="For a video's table.")] = 15,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Serve the web page and the REST interface. Nothing is stored, and only this machine can reach it unless told."""
    from mien.web.serve import serve as run
    from mien.web.settings import ServeConfig

    config = ServeConfig(
        host=host,
        port=port,
        model=model,
        head=head,
        detector=detector,
        min_face=min_face,
        device=device,
        workers=workers,
        api_key=api_key,
        tls_cert=tls_cert,
        tls_key=tls_key,
        allow_host=tuple(allow_host or ()),
        allow_origin=tuple(allow_origin or ()),
        trust_proxy=tuple(trust_proxy or ()),
        max_upload_mb=max_upload_mb,
        max_pictures=max_pictures,
        max_megapixels=max_megapixels,
        max_video_mb=max_video_mb,
        max_video_minutes=max_video_minutes,
        max_waiting=max_waiting,
        max_jobs=max_jobs,
        max_streams=max_streams,
        rate=rate,
        timeout_s=timeout_s,
        job_minutes=job_minutes,
        keep_minutes=keep_minutes,
    )

    def ready(address: str) -> None:
        if open_page:
            webbrowser.open(address)

    run(config, tell=lambda line: print(line, flush=True), ready=ready)
