"""Options that several commands have, each with one name and one explanation."""

from typing import Annotated

import typer

Device = Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda", help="Where to compute.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Model = Annotated[
    str, typer.Option("--model", metavar="NAME|FILE", help="A bundled model, an ONNX file, or a run folder.")
]
