"""Where a photograph's bytes come from: a file, a row of a Parquet file, or an object store."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from mien.core import packed, stores
from mien.core.errors import InputError, MienError
from mien.core.images import decode, encoded
from mien.core.types import Image
from mien.pipeline.batch import ordered
from mien.pipeline.sources import Found

_REQUESTS = 8  # to an object store at once


class Decode(Protocol):
    """See `mien.core.images.decode`."""

    def __call__(self, data: bytes, /, *, name: str) -> Image: ...  # noqa: D102


def read_found(found: Found, *, decode: Decode = decode) -> Image:
    """The photograph that was found: RGB uint8 (H, W, 3), upright.

    Args:
        found: where it is.
        decode: decodes its bytes.

    Raises:
        InputError: it cannot be read, or is a clip in an object store, which has to be copied first.
    """
    if found.error:
        raise InputError(found.error)
    if found.row is not None:
        return decode(packed.read(found.file, found.row), name=found.source)
    if stores.is_address(found.source):
        return decode(stores.read(found.source), name=found.source)
    path = Path(found.source)
    return decode(encoded(path), name=str(path))


def read_ahead(found: Sequence[Found]) -> Callable[[Found], Image]:
    """As `read_found`, to be asked for each of these in their order: what comes next is on its way meanwhile.

    A request to an object store takes longer than a picture takes to look at, so several are under way at once.
    """
    asked = ordered(_bytes, found, workers=_REQUESTS, ahead=2 * _REQUESTS)

    def read(each: Found) -> Image:
        wanted, data = next(asked)
        assert wanted is each
        if isinstance(data, MienError):
            raise data
        return decode(data, name=each.source) if data is not None else read_found(each)

    return read


def _bytes(found: Found) -> bytes | None:
    """What an object store holds of a picture; None of one that is elsewhere."""
    return (
        stores.read(found.source) if not found.error and found.row is None and stores.is_address(found.source) else None
    )
