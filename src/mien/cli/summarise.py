"""`mien summarise`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.console import examples, note, print_json, share, table
from mien.cli.options import Json

if TYPE_CHECKING:
    from mien.verbs.summarise import SummariseResult


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("summarise", epilog=examples("mien summarise clip.csv", "mien summarise clips.parquet --out s.csv"))(
        summarise
    )


def summarise(
    source: Annotated[Path, typer.Argument(metavar="TABLE", help="What `mien predict` wrote of clips.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="A csv, a row a face; transitions go beside it.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    json: Json = False,
) -> None:
    """Say what each face did over a clip: how long it was seen, shares of time, episodes and transitions."""
    from mien.verbs.summarise import summarise as run

    result = run(source, out=out, overwrite=overwrite)
    if json:
        print_json(_plain(result))
    elif out is None:
        print(_table(result))
    if result.out is not None:
        note(f"wrote {result.out} and {result.transitions}")


def _table(result: "SummariseResult") -> str:
    rows = []
    for clip in result.clips:
        for face in clip.faces:
            order = face.share.argsort()[::-1][:3]
            times = [f"{face.states[k]} {share(face.share[k])}" for k in order if face.share[k] > 0]
            span = f"{face.first_s:.1f} to {face.last_s:.1f}"
            rows.append((clip.source, face.face_id, span, f"{face.seconds:.1f}", ", ".join(times)))
    return table(("clip", "face", "from, to (s)", "seen (s)", "share of time"), rows, right=(1, 2, 3))


def _plain(result: "SummariseResult") -> list[dict[str, Any]]:
    return [
        {
            "source": clip.source,
            "seconds": clip.seconds,
            "without_face_s": clip.without_face_s,
            "frames": clip.frames,
            "faces": [
                {
                    **{name: getattr(face, name) for name in ("face_id", "first_s", "last_s", "seconds", "frames")},
                    "label": face.label,
                    "share": dict(zip(face.states, face.share.tolist(), strict=True)),
                    "p": dict(zip(clip.labels, face.mean.tolist(), strict=True)),
                    "episodes": dict(zip(face.states, face.episodes.tolist(), strict=True)),
                    "episode_s": dict(zip(face.states, face.episode_s.tolist(), strict=True)),
                    "transitions": {
                        before: dict(zip(face.states, row, strict=True))
                        for before, row in zip(face.states, face.transitions.tolist(), strict=True)
                    },
                }
                for face in clip.faces
            ],
        }
        for clip in result.clips
    ]
