"""`mien live`."""

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.console import examples, libraries_silenced, note
from mien.cli.options import Abstain, Device, Head, MinFace, Model

_LIVE = examples(
    "mien live", "mien live --camera 1 --out session.csv", "mien live --camera http://192.168.1.5:8080/video"
)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("live", epilog=_LIVE)(live)


def live(
    camera: Annotated[
        str, typer.Option("--camera", metavar="N|URL|FILE", help="Number of a camera, address of a stream, or a video.")
    ] = "0",
    model: Model = "mien-s",
    head: Head = None,
    detector: Annotated[
        str, typer.Option("--detector", metavar="mtcnn|haar|dlib|none", help="Key D changes it.")
    ] = "mtcnn",
    min_face: MinFace = 60,
    smooth: Annotated[
        str, typer.Option("--smooth", metavar="exponential|bayesian|none", help="Steadies emotions over time.")
    ] = "exponential",
    abstain: Abstain = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Record into a table from the beginning.")
    ] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", metavar="S", help="Stop after so long.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a table that exists.")] = False,
    device: Device = "auto",
) -> None:
    """Open a window with a camera's picture, the faces in it and what they express.

    Keys: H heat map of what the model looks at, D next detector, R begin or end a recording, Q or Escape quit.
    """
    from mien.verbs.live import LiveConfig
    from mien.verbs.live import live as run

    config = LiveConfig(
        camera=camera,
        model=model,
        head=head,
        detector=detector,
        min_face=min_face,
        smooth=smooth,
        abstain=abstain,
        out=out,
        seconds=seconds,
        overwrite=overwrite,
        device=device,
    )
    with libraries_silenced():
        result = run(config, tell=note)
    if result.frames:
        note(
            f"{result.frames} frames, {result.fps:.1f} a second, shown {result.latency_ms:.0f} ms after they were taken"
        )
