"""Every data set's own files: csv, lists, XML, npy, read by its reader; then the pictures that they name."""

import itertools
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import layouts
import numpy as np

from fuzzing.damage import binary, text
from fuzzing.entry import Entry, entry
from mien.core.errors import InputError
from mien.datasets import READERS

_ANNOTATIONS = (".csv", ".txt", ".xml", ".npy", ".json", ".toml", "")  # suffixes of files that hold no picture
_LARGEST = 200_000  # bytes of a file that is damaged
_MOST_FILES = 24  # of one form

_ENTITIES = {  # a thousand million laughs, and someone else's file
    "laughs": b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + k, b"&%c;" % (97 + k) * 10) for k in range(9))
    + b']><session sessionId="1"><track trackId="1" type="Video" filename="S001-001" view="0">&j;</track></session>',
    "outside": b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a SYSTEM "../canary/secret">]><session>&a;</session>',
    "elsewhere": b'<?xml version="1.0"?><!DOCTYPE l SYSTEM "http://127.0.0.1:9/x.dtd"><session/>',
}


def _xml(data: bytes, rng: np.random.Generator) -> bytes:
    if rng.random() < 0.05:
        return list(_ENTITIES.values())[int(rng.integers(len(_ENTITIES)))]
    return text(data, rng)


def npy(data: bytes, rng: np.random.Generator) -> bytes:
    """An npy whose header is changed as text, with its length made right; or bytes damaged."""
    if rng.random() < 0.5 or len(data) < 10:
        return binary(data, rng)
    end = 10 + int.from_bytes(data[8:10], "little")
    header = text(data[10:end], rng)
    return data[:8] + min(len(header), 65535).to_bytes(2, "little") + header + data[end:]


def _make(form: Callable[[Path], layouts.Layout], folder: Path) -> Entry:
    layout = form(folder / "data")
    reader = READERS[layout.name]
    files = [each for each in sorted(folder.rglob("*")) if each.is_file() and not each.name.startswith(".")]
    files = [each for each in files if each.stat().st_size < _LARGEST]
    described = [each for each in files if each.suffix.lower() in _ANNOTATIONS]
    files = (described or files)[:_MOST_FILES]  # some forms are folders of pictures and nothing else

    def read(path: Path) -> None:
        for sample in itertools.islice(reader(layout.root, **layout.options), 8):
            try:
                sample.picture.read()
            except InputError as error:  # is a row with an error
                assert "expected" in str(error) and "\n" not in str(error), error

    seeds = {each.relative_to(folder).as_posix(): each.read_bytes() for each in files}
    return Entry(seeds, read, {".xml": _xml, ".npy": npy}, both=False)


for _module in iter_modules(layouts.__path__):
    for _name, _form in getattr(import_module(f"layouts.{_module.name}"), "FORMS", {}).items():
        entry(f"data-{_module.name}-{_name.replace(' ', '_').replace('/', '-')}")(partial(_make, _form))
