"""`mien predict` and `mien demo`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from mien.cli.console import Progress, examples, libraries_silenced, note, share
from mien.cli.options import Abstain, Device, Engine, Head, Json, MinFace, Model, TimeLimit, Workers
from mien.core.errors import UsageError

_PREDICT = examples(
    "mien predict photo.jpg",
    "mien predict holiday/ more.png --out faces.csv --annotate drawn/",
    "mien predict interview.mp4 --out faces.parquet --smooth --baseline 0-5 --annotate drawn/ --report pages/",
)


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command("predict", epilog=_PREDICT)(predict)
    app.command("demo", epilog=examples("mien demo --out demo/"))(demo)


Sources = Annotated[
    list[str], typer.Argument(metavar="SOURCE", help="Photographs, clips, Parquet, folders, addresses.")
]
Detector = Annotated[
    str, typer.Option("--detector", metavar="mtcnn|haar|dlib|none", help="none: the input is a face crop already.")
]


def predict(
    sources: Sources,
    model: Model = "mien-s",
    head: Head = None,
    detector: Detector = "mtcnn",
    min_face: MinFace = 40,
    every: Annotated[int, typer.Option("--every", metavar="N", help="Look at every Nth frame of a clip.")] = 1,
    fps: Annotated[
        float | None, typer.Option("--fps", metavar="F", help="Look at F frames a second of a clip, instead.")
    ] = None,
    detect_every: Annotated[
        int | None,
        typer.Option("--detect-every", metavar="K", help="Look for faces in every Kth frame of a clip (5 or fewer)."),
    ] = None,
    smooth: Annotated[bool, typer.Option("--smooth", help="Steady the emotions of a clip over time.")] = False,
    smoothing: Annotated[
        str | None, typer.Option("--smoothing", metavar="exponential|bayesian", help="How --smooth does it.")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option("--baseline", metavar="S-E", help="Seconds of a clip in which people are neutral.")
    ] = None,
    abstain: Abstain = None,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="FILE", help="Table: .csv, .json, .jsonl or .parquet; for ray a folder."),
    ] = None,
    annotate: Annotated[
        Path | None, typer.Option("--annotate", metavar="DIR", help="Copies with boxes, emotions and bars.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="DIR", help="A page and a timeline of each clip.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Heat maps on the annotated pictures.")] = False,
    engine: Engine = "local",
    workers: Workers = None,
    time_limit: TimeLimit = 120.0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a run was broken off.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Find faces in photographs and clips and what they express."""
    from mien.pipeline.parts import unfinished
    from mien.verbs.predict import predict as run
    from mien.verbs.predict_config import PredictConfig, Step

    config = PredictConfig(
        model=model,
        head=head,
        detector=detector,
        min_face=min_face,
        every=every,
        fps=fps,
        detect_every=detect_every,
        smooth=smoothing or ("exponential" if smooth else None),
        baseline=None if baseline is None else _span(baseline),
        abstain=abstain,
        out=out,
        annotate=annotate,
        report=report,
        explain=explain,
        engine=engine,
        workers=workers,
        time_limit=time_limit,
        resume=resume,
        overwrite=overwrite,
        device=device,
    )
    if json and engine == "ray":
        raise UsageError(
            "expected --engine ray without --json, for the rows are written on many machines: leave it out"
        )
    printer = _JsonRows() if json else _Table() if out is None else None
    with libraries_silenced(), Progress("pictures") as progress:

        def tell(step: Step) -> None:
            if printer:
                printer.rows(step.rows)
            progress.step(step.total, step.done)

        try:
            result = run(sources, config, tell=tell)
        except KeyboardInterrupt:
            kept = (
                "; what is done is kept: go on with --resume"
                if out and (engine == "ray" or unfinished(Path(out)))
                else ""
            )
            raise KeyboardInterrupt(f"{out} was not written{kept}" if out else "") from None
    if printer:
        printer.end()
    _report(result, quiet=json)
    if result.failed:
        raise typer.Exit(1)


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the annotated copies go.")] = Path("demo"),
    detector: Detector = "mtcnn",
    model: Model = "mien-s",
    json: Json = False,
) -> None:
    """Recognise the faces of two bundled photographs and write annotated copies."""
    from mien.verbs.demo import demo as run

    printer = _JsonRows() if json else _Table()
    result = run(out, detector=detector, model=model, tell=lambda step: printer.rows(step.rows))
    printer.end()
    _report(result, quiet=json)


def _span(text: str) -> tuple[float, float]:
    """``"2-5.5"`` as numbers."""
    try:
        start, end = (float(each) for each in text.split("-"))
    except ValueError:
        raise UsageError(f"expected --baseline from one second to another, such as 0-5, got {text!r}") from None
    return start, end


def _report(result: Any, *, quiet: bool) -> None:
    """What was written, what failed and what was left out: to stderr, so that a table can be piped."""
    for error in result.failed.values():
        note(error)
    for line in (result.skipped, *result.notes):
        if line:
            note(line)
    if quiet:
        return
    if result.out is not None:
        clips = f"{_count(result.clips, 'clip')} of {_count(result.frames, 'frame')}" if result.clips else ""
        pictures = _count(result.pictures, "picture") if result.pictures or not clips else ""
        note(f"wrote {result.out}: {', '.join(filter(None, (pictures, clips)))}, {_count(result.faces, 'face')}")
    if result.summary is not None:
        note(f"wrote {result.summary}: what each face did")
    if result.pages:
        note(f"wrote {_count(len(result.pages), 'page')} in {result.pages[0].parent}")
    if result.annotated:
        drawn = "annotated clip" if all(path.suffix == ".mp4" for path in result.annotated) else "annotated picture"
        note(f"drew {_count(len(result.annotated), drawn)} in {result.annotated[0].parent}")
    if result.failed:
        note(f"{_count(len(result.failed), 'input')} out of {result.pictures + result.clips} failed")


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


class _Table:
    """Rows for people, printed as they come."""

    _FORM = "{:<28}  {:>4}  {:>20}  {:<10}  {:>4}  {}"

    def __init__(self) -> None:
        self._empty = True

    def rows(self, rows: Sequence[dict[str, Any]]) -> None:
        if self._empty:
            print(self._FORM.format("picture", "face", "x1, y1, x2, y2", "emotion", "", "then").rstrip())
            self._empty = False
        for row in rows:
            if not row["error"]:  # those are named on stderr at the end
                print(self._FORM.format(_name(row), *_cells(row)).rstrip())

    def end(self) -> None:
        """A table for people needs no end."""


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    if row["face_id"] is None:
        return "-", "", "no face", "", ""
    shares = {name.removeprefix("p_"): value for name, value in row.items() if name.startswith("p_")}
    (top, best), *others = sorted(shares.items(), key=lambda item: -item[1])
    box = ", ".join(f"{row[name]:.0f}" for name in ("x1", "y1", "x2", "y2"))
    then = [f"{name} {share(value)}" for name, value in others[:2] if value >= 0.01]
    if row["label"] is None:
        return str(row["face_id"]), box, "unsure", "", ", ".join([f"{top} {share(best)}", *then])
    return str(row["face_id"]), box, top, share(best), ", ".join(then)


def _name(row: dict[str, Any]) -> str:
    """The end of a photograph's path, or of a clip's with the time of the frame."""
    if row["frame"] is None:
        return _shortened(row["source"], 28)
    return f"{_shortened(row['source'], 17)} {row['time_s']:8.2f} s"


def _shortened(name: str, most: int) -> str:
    """The end of a long path: it tells more than its beginning."""
    return name if len(name) <= most else "…" + name[-(most - 1) :]


class _JsonRows:
    """One JSON array of rows, streamed."""

    def __init__(self) -> None:
        self._before = "[\n"

    def rows(self, rows: Sequence[dict[str, Any]]) -> None:
        from mien.pipeline.sinks import dump

        for row in rows:
            print(self._before + dump(row), end="")
            self._before = ",\n"

    def end(self) -> None:
        print("[]" if self._before == "[\n" else "\n]")
