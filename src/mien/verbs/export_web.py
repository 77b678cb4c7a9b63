"""`mien export --format web`: a folder with a page that recognises expressions in the visitor's own browser."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from mien.core.errors import ModelError, UsageError
from mien.core.files import expect_free, file_name, make_folder, replacing
from mien.faces.networks import WEIGHTS
from mien.runtime.card import Card
from mien.runtime.classifier import Classifier
from mien.runtime.session import Session
from mien.verbs.demo import sample
from mien.zoo.store import load_card, weights_of

NETWORKS = ("pnet", "rnet", "onet")  # of the detector
PREFERRED = "int8"  # weights: 4 ms a face in a browser where float16 ones take 10, at half the bytes

_SERVER_ONLY = ("server.js", "recogniser.js")  # of the page that `mien serve` shows
_RECOGNISER = '// The recogniser of this page: the browser itself.\n\nexport { create } from "./browser/local.js";\n'
_RUNTIME = ("ort.js", "ort-wasm-simd-threaded.wasm")
# The browser itself sees to it that the page speaks to no other host. WebAssembly has to be allowed by name.
_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; style-src 'self'; base-uri 'none'; form-action 'none'"
)
_CHARSET = '<meta charset="utf-8">'
PRIVACY = "Pictures stay on this device: this page reads them itself. Nothing is sent, nothing is stored."
HINT = (
    "Recognition is loading, about 20 MB, once. If nothing happens: this page must come from a web server, not from a "
    "file; README.txt says how."
)
# What the page says of a server, by the id of the element, and what it says here.
_TEXTS = {"camera-text": PRIVACY, "privacy-text": PRIVACY, "link-text": "loading", "reading-note": HINT}
_README = """{title}

A page that recognises facial expressions in pictures and from the camera, in the browser of whoever opens it.
Pictures never leave the browser: the page fetches the files of this folder when it is opened, and sends nothing.

To see it on this machine, run in this folder
    python -m http.server --bind 127.0.0.1 8000
and open http://localhost:8000

To publish it, copy the folder to any web server; no headers are needed. Browsers give the camera only to pages from
localhost or by HTTPS, and open no page of this kind as a file (file://).

index.html, *.js, style.css   the page
browser/                      recognition: `import {{ create }} from "./browser/local.js"` embeds it in another page
models/                       {model} ({weights} weights) with its card, and the face detector MTCNN
runtime/                      ONNX Runtime Web
licences.txt                  whose all this is

The model: {license}.
What it learnt from: {data}.
An expression is not a feeling: the figures say what raters would call the face in the picture.
"""


def serve_command(folder: Path) -> str:
    """The line that shows an exported folder on this machine."""
    shown = f'"{folder}"' if " " in str(folder) else folder
    return f"python -m http.server --bind 127.0.0.1 --directory {shown} 8000"


def export_web(source: str, *, out: Path, overwrite: bool) -> tuple[Path, ...]:
    """Write the folder.

    Args:
        source: a model, as `mien.export` takes it; the weights that it names, else int8 ones where it has some.
        out: the folder; it is made if need be.
        overwrite: replace files that are there.

    Returns:
        The files written.

    Raises:
        UsageError: the model sees clips, which the page does not put together.
        ModelError: a file of the model, or of ONNX Runtime Web, is missing or changed.
        OutputError: a file exists, or cannot be written.
    """
    card = load_card(source)
    if card.input.frames:
        raise UsageError(
            f"expected a model of single faces for format web, got {card.name}, which sees clips of "
            f"{card.input.frames} frames: export another model"
        )
    missing = runtime_missing()
    if missing:
        raise ModelError(
            f"expected ONNX Runtime Web in this installation of mien for format web, got none of its file {missing}: "
            "install mien from a wheel that holds it, or in a checkout run `python scripts/fetch_web_runtime.py`, "
            "which needs npm"
        )
    variant = PREFERRED if not source.endswith(".onnx") and PREFERRED in card.files else None
    weights = weights_of(source, variant=variant)
    Classifier(card, Session(weights, threads=1, device="cpu", name=card.name))  # says now what does not fit
    name = f"{file_name(card.name)}.onnx"
    contents = dict(_contents())
    contents["models/" + name] = weights
    variant = variant or _variant(card, source)
    contents["models/card.json"] = _json_card(card, variant, name, len(weights))
    readme = _README.format(
        title=f"mien: {card.name}" + (f", {card.title}" if card.title else ""),
        model=card.name,
        weights=variant,
        license=card.license or "its card names no licence",
        data=card.data or "its card does not say",
    )
    contents["README.txt"] = readme.encode()

    for path in contents:
        expect_free(out / path, overwrite=overwrite)
    for path, data in contents.items():
        make_folder((out / path).parent)
        with replacing(out / path) as partial:
            partial.write_bytes(data)
    return tuple(out / path for path in contents)


def _contents() -> Iterator[tuple[str, bytes]]:
    """All that does not depend on the model: path in the folder, bytes."""
    web = files("mien").joinpath("web")
    for each in _files(web.joinpath("static")):
        if each.name == "index.html":
            yield each.name, _without_server(each.read_text("utf-8")).encode()
        elif each.name not in _SERVER_ONLY:
            yield each.name, each.read_bytes()
    yield "recogniser.js", _RECOGNISER.encode()
    yield "sample.jpg", sample("astronaut").read_bytes()
    for each in _files(web.joinpath("browser")):
        yield ("" if each.name.endswith(".txt") else "browser/") + each.name, each.read_bytes()
    for name in _RUNTIME:
        yield f"runtime/{name}", web.joinpath("runtime", name).read_bytes()
    for name in NETWORKS:
        yield f"models/mtcnn/{name}.onnx", (WEIGHTS / f"{name}.onnx").read_bytes()


def _without_server(page: str) -> str:
    """The page of `mien serve`, with what is true here; it states its policy itself, and has no part for videos."""
    for name, text in _TEXTS.items():
        page, found = re.subn(rf'(id="{name}"[^>]*>)[^<]*', rf"\g<1>{text}", page)
        assert found == 1, name
    policy = f'{_CHARSET}\n<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    return page.replace(_CHARSET, policy, 1).replace('id="tab-videos"', 'id="tab-videos" hidden', 1)


def _files(folder: Traversable) -> list[Traversable]:
    return sorted((each for each in folder.iterdir() if each.is_file()), key=lambda each: each.name)


def runtime_missing() -> str:
    """The file of ONNX Runtime Web that this installation lacks, or "" where all are there."""
    folder = files("mien").joinpath("web", "runtime")
    return next((name for name in _RUNTIME if not folder.joinpath(name).is_file()), "")


def _variant(card: Card, source: str) -> str:
    """Which of the card's weight files a path names, or its default one."""
    named = [variant for variant, each in card.files.items() if each.file == Path(source).name]
    return named[0] if named else card.default_file


def _json_card(card: Card, variant: str, name: str, size: int) -> bytes:
    """What the page must know of the model, and what a reader should."""
    shown = {key: getattr(card, key) for key in ("name", "title", "version", "license", "data")}
    heads = {
        name: {"labels": list(head.label_set), "output": head.output, "temperature": head.temperature}
        for name, head in card.heads.items()
    }
    figures = [
        {key: value for key, value in asdict(each).items() if value == value}  # no NaN
        for each in card.figures
        if each.file in ("", variant)
    ]
    whole = shown | {
        "file": name,
        "weights": variant,
        "sha256": card.files[variant].sha256,
        "bytes": size,
        "input": {"size": card.input.size, "color": card.input.color, "mean": card.input.mean, "std": card.input.std},
        "crop": asdict(card.crop),
        "default_head": card.default_head,
        "heads": heads,
        "figures": figures,
    }
    return (json.dumps(whole, indent=2, ensure_ascii=False) + "\n").encode()
