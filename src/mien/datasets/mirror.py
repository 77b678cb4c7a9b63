"""Data sets in an object store: what describes the pictures is copied to this machine, they stay where they are.

A reader sees a folder with the same names in it. Its pictures are empty files there, which no reader opens before they
are asked for; then they are fetched from the store.
"""

import posixpath
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from mien.core import stores
from mien.core.errors import DataError, InputError, UsageError
from mien.datasets.dataset import DataSet, Picture, PictureFile, PictureRows, StoredPicture

# Suffixes of the files that describe pictures, in all data sets that are read.
DESCRIBES = (".csv", ".txt", ".xml", ".npy", ".json", ".toml", "")

ON_DISK_ONLY = ("mmi",)  # how many frames a clip has stands in the clip


def open_stored(name: str, address: str, read: Callable[[str], DataSet]) -> DataSet:
    """Open a data set at an address.

    Args:
        name: of the reader.
        address: the folder or file.
        read: the reader, which takes a path.

    Raises:
        UsageError: a data set that is made of clips.
        DataError: what is there is not as it should be, or the store cannot be reached.
    """
    if name in ON_DISK_ONLY:
        raise UsageError(f"expected {name} on a disk, for it is made of clips, got {address}: copy it to one")
    try:
        address = stores.tidy(address)
    except InputError as error:
        raise DataError(str(error)) from error
    above, _, last = address.rpartition("/")  # a reader may look at what its root is called
    with tempfile.TemporaryDirectory(prefix="mien-") as folder:
        try:
            _copy(address, Path(folder))
            data = read(str(Path(folder, last)))
        except (DataError, InputError) as error:
            raise DataError(str(error).replace(folder, above)) from error
        return replace(data, root=address, pictures=_pictures(data, folder, above))


def _copy(address: str, folder: Path) -> None:
    """Copy the files that describe, and make an empty one of each name beside."""
    root = folder / address.rpartition("/")[2]
    if not stores.is_folder(address):
        stores.copy([(address, root)])
        return
    root.mkdir()
    wanted = []
    for name in stores.objects(address):
        path = root / name
        try:
            if posixpath.normpath(name) != name:  # a store allows any name
                raise ValueError(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        except (OSError, ValueError) as error:  # such as one that is also called as a folder
            raise InputError(f"expected names of files below {address}, got {name}: rename it") from error
        if path.suffix.lower() in DESCRIBES:
            wanted.append((f"{address}/{name}", path))
    stores.copy(wanted)


def _pictures(data: DataSet, folder: str, above: str) -> Sequence[Picture]:
    """The pictures by their addresses."""
    if isinstance(data.pictures, PictureRows):
        return data.pictures
    return [_moved(each, folder, above) for each in data.pictures]


def _moved(picture: Picture, folder: str, above: str) -> Picture:
    if not isinstance(picture, PictureFile) or not picture.root.startswith(folder):
        return picture  # an option of the reader says where it is
    below = Path(picture.root).relative_to(folder).as_posix()
    return StoredPicture(above if below == "." else f"{above}/{below}", picture.where)
