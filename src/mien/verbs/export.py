"""`mien export`: a model or run as ONNX with its card, in a folder of its own."""

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from mien.core.errors import UsageError
from mien.core.files import expect_free, make_folder, replacing
from mien.core.registry import unknown
from mien.runtime.card import Card
from mien.zoo.store import find_card, verify

# What a user asks for -> the weight file of the card that it is.
FORMATS = {"onnx": "float16", "int8": "int8"}
WEB = "web"


@dataclass(frozen=True)
class ExportResult:
    """The files that an export wrote, and of a page the command line that shows it."""

    files: tuple[Path, ...]
    serve: str = ""


def export(
    model: str | os.PathLike[str],
    *,
    format: str = "onnx",
    out: str | os.PathLike[str],
    overwrite: bool = False,
) -> ExportResult:
    """Copy one of a model's weight files, with a card that names it, into a folder; or make a page that runs it.

    Args:
        model: a shipped model's name, an ONNX file or card, or a run folder.
        format: ``onnx`` (weights stored as float16, computed in float32), ``int8``, or ``web``: a page that recognises
            expressions in the visitor's own browser.
        out: the folder; it is made if need be.
        overwrite: replace files that are there.

    Raises:
        UsageError: an unknown format, one that the model does not have, or a page of a model that sees clips.
        ModelError: a file of the model is missing or changed.
        OutputError: a file exists, or cannot be written.

    >>> mien.export("mien-s", format="int8", out="exported")  # doctest: +SKIP
    """
    if format == WEB:
        from mien.verbs.export_web import export_web, serve_command

        written = export_web(os.fspath(model), out=Path(out), overwrite=overwrite)
        return ExportResult(written, serve=serve_command(Path(out)))
    if format not in FORMATS:
        raise UsageError(unknown("format", format, [*FORMATS, WEB]))
    source = find_card(model)
    verify(model)
    card = Card.load(source)
    variant = FORMATS[format]
    if variant not in card.files:
        raise UsageError(
            f"expected a model with {variant} weights for format {format}, got one with {', '.join(card.files)}"
        )
    suffix = ".int8.onnx" if variant == "int8" else ".onnx"
    weights = Path(out) / f"{card.name}{suffix}"
    described = weights.with_suffix(".toml")
    for path in (weights, described):
        expect_free(path, overwrite=overwrite)
    file = replace(card.files[variant], file=weights.name)
    figures = tuple(each for each in card.figures if each.file in ("", variant))
    exported = replace(card, files={variant: file}, default_file=variant, figures=figures)
    make_folder(out)
    with replacing(weights) as partial:
        shutil.copyfile(source.parent / card.files[variant].file, partial)
    with replacing(described) as partial:
        partial.write_text(exported.dump(), "utf-8", newline="\n")
    return ExportResult((weights, described))
