"""Options that several commands have, each with one name and one explanation."""

from typing import Annotated

import typer

Device = Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda", help="Where to compute.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Model = Annotated[
    str, typer.Option("--model", metavar="NAME|FILE", help="A bundled model, an ONNX file, or a run folder.")
]
Head = Annotated[str | None, typer.Option("--head", metavar="H", help="Label set: see `mien models show`.")]
MinFace = Annotated[int, typer.Option("--min-face", metavar="PX", help="Smaller faces are not looked for.")]
Abstain = Annotated[float | None, typer.Option("--abstain", metavar="P", help="No label below this probability.")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", help="Processes; one a core for many files if not given. 0: none."),
]
TimeLimit = Annotated[
    float, typer.Option("--time-limit", metavar="S", help="Seconds that a worker may take over one file.")
]
Engine = Annotated[
    str, typer.Option("--engine", metavar="local|ray", help="This machine, or a cluster: see RAY_ADDRESS.")
]
