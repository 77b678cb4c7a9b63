"""A data set as it is distributed: all that is known about its pictures, and where each of them is.

Labels, splits and groups are read at once, for they are small; a picture is read when it is asked for. So a data
set of any size opens in seconds, and one picture that cannot be read does not keep the others back.
"""

import functools
import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from mien.core import packed, stores
from mien.core.errors import DataError, InputError
from mien.core.images import decode, read_image, to_gray
from mien.datasets.looking import AT_ONCE, Each, each_here
from mien.datasets.table import LabelColumn, Strings, Table, check_columns, expect_splits, splits_in, strings

Pixels = npt.NDArray[np.uint8]

_HELD_BYTES = 1 << 23  # of face crops that are read together


class Picture(Protocol):
    """Where a picture is.

    One that is in a file of its own, or in a clip, has the `path` of this file too, so that one can see whether it is
    there without opening it.

    Attributes:
        where: in words: a path under the data set's root, or a row of a file.
    """

    @property
    def where(self) -> str: ...  # noqa: D102

    def read(self) -> Pixels:
        """The picture: RGB uint8 (H, W, 3), or grey (H, W).

        Raises:
            InputError: it is missing, or cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture in a file of its own."""

    root: str
    where: str

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.root, self.where)

    def read(self) -> Pixels:
        """See `Picture`. A list of pictures does not reach files outside the folder that its paths start from."""
        root = os.path.join(os.path.abspath(self.root), "")
        if not os.path.normpath(os.path.join(root, self.where)).startswith(root):
            raise _leads_out(self.root, self.where)
        return read_image(self.path)


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A picture that is an object in a store; `root` is an address."""

    root: str
    where: str

    def read(self) -> Pixels:
        """See `Picture`."""
        return self.fetched().read()

    def fetched(self) -> "EncodedPicture":
        """The same, brought here and not decoded yet; raises as `read`."""
        if posixpath.normpath(f"/{self.where}") != f"/{posixpath.normpath(self.where)}":
            raise _leads_out(self.root, self.where)
        address = f"{self.root.rstrip('/')}/{posixpath.normpath(self.where)}"
        return EncodedPicture(self.where, address, stores.read(address))


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    """A picture whose bytes are in memory; messages on them call it by `name`."""

    where: str
    name: str
    data: bytes

    def read(self) -> Pixels:
        """See `Picture`."""
        return decode(self.data, name=self.name)


@dataclass(frozen=True, slots=True)
class PackedPicture:
    """A picture in a row of a Parquet file, see `mien.core.packed`; `file` may be an address."""

    file: str
    row: int
    where: str

    def read(self) -> Pixels:
        """See `Picture`."""
        return decode(packed.read(self.file, self.row), name=f"{self.file}#{self.row}")


def picture_at(root: str | os.PathLike[str], where: str) -> Picture:
    """The picture in a file of its own, or in an object of a store where `root` is an address."""
    return (StoredPicture if stores.is_address(root) else PictureFile)(os.fspath(root), where)


def _leads_out(root: str, where: str) -> InputError:
    return InputError(
        f"expected a picture in {root}, got the path {where}, which leads out of it: take it out, or give a csv the "
        "folder that holds all of them with --set images=DIR"
    )


@dataclass(frozen=True, eq=False, slots=True)
class PictureRow:
    """A picture that stands in a row of a file, such as FER2013's csv; its pixels are in memory."""

    where: str
    pixels: Pixels

    def read(self) -> Pixels:
        """See `Picture`."""
        return self.pixels


class PictureRows(Sequence[Picture]):
    """Pictures of one size that are in memory together: (n, H, W) grey or (n, H, W, 3) RGB uint8."""

    def __init__(self, images: Pixels, names: Sequence[str]) -> None:
        if len(images) != len(names):
            raise DataError(f"expected a name for each of {len(images)} pictures, got {len(names)}")
        self.images, self.names = images, names

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return PictureRows(self.images[index], self.names[index])
        return PictureRow(self.names[index], self.images[index])

    def take(self, rows: npt.NDArray[np.intp]) -> "PictureRows":
        """Some of them, in a given order."""
        return PictureRows(self.images[rows], [self.names[row] for row in rows.tolist()])


@dataclass(frozen=True)
class Published:
    """What the authors say how many pictures there are.

    Attributes:
        source: the label source that they are counted by.
        counts: split -> label -> pictures.
        certain: False where no copy of the data set could be counted.
        unlabelled: split -> pictures that the authors hand out without a label of this source.
        totals: split -> pictures in all, with a label or not, of a split whose classes are not known.
        overall: label -> pictures in all splits together, where nobody says how many in each.
        size: width and height, where all pictures have the same.
    """

    source: str
    counts: Mapping[str, Mapping[str, int]]
    certain: bool = True
    unlabelled: Mapping[str, int] = field(default_factory=dict)
    totals: Mapping[str, int] = field(default_factory=dict)
    overall: Mapping[str, int] = field(default_factory=dict)
    size: tuple[int, int] | None = None

    def pictures(self, split: str) -> int | None:
        """How many pictures a split has in all, with a label of this source or not; None where nobody says."""
        if split in self.totals:
            return self.totals[split]
        return sum(self.counts[split].values()) + self.unlabelled.get(split, 0) if split in self.counts else None


@dataclass(frozen=True, eq=False)
class Sample:
    """One picture of a data set.

    Attributes:
        id: stays the same however the data set is read. split: train, valid or test.
        picture: where it is; `image` reads it.
        labels: label source -> label, None where it gives none.
        soft: label source -> (K,) distribution over its classes, NaN where there is none.
        extra: what else is known: subject, clip_id, frame, time_s, valence, arousal, group_gender and so on.
    """

    id: str
    split: str
    picture: Picture
    labels: Mapping[str, str | None]
    soft: Mapping[str, npt.NDArray[np.float32]]
    extra: Mapping[str, Any]

    @property
    def image(self) -> Pixels:
        """The picture, read now: RGB uint8 (H, W, 3) or grey (H, W); InputError if it cannot be."""
        return self.picture.read()


@dataclass(frozen=True, eq=False, kw_only=True)
class DataSet:
    """What a reader gives.

    Attributes:
        name: of the reader. root: the folder or file it was given, or an address.
        form: which of the forms in which the data set goes round, in words: ``"CK+48"``.
        origin: where its authors hand it out, in words for a message.
        ids, split, sources, extra: as in `Table`. Columns of `extra` that several data sets have bear the same name:
            subject, clip_id (str), frame (int32), time_s, valence, arousal (float32, NaN where unknown),
            group_gender, group_race, group_age (str, "" where unknown), box (n, 4) float32 xyxy pixels of the face,
            landmarks (n, m) float32.
        pictures: where each one is.
        faces: whether they are face crops; else they are photographs in which the face has to be found first.
        gray: whether they are grey pictures, in whatever form they are stored.
        published: what the authors count; None where they say nothing.
        original: False for a rework of someone else: other pixels, labels or splits than the authors hand out.
        notes: what whoever uses these data must know, a sentence each.
    """

    name: str
    root: Path | str
    form: str
    origin: str
    ids: Strings
    split: Strings
    pictures: Sequence[Picture]
    sources: Mapping[str, LabelColumn]
    extra: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    faces: bool
    gray: bool
    published: Published | None = None
    original: bool = True
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", strings(self.ids))
        object.__setattr__(self, "split", strings(self.split))
        check_columns(len(self.pictures), ids=self.ids, split=self.split, sources=self.sources, extra=self.extra)

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, row: int) -> Sample:
        labels = {name: column.name_of(row) for name, column in self.sources.items()}
        soft = {name: column.soft[row] for name, column in self.sources.items() if column.soft is not None}
        extra = {name: values[row] for name, values in self.extra.items()}
        return Sample(str(self.ids[row]), str(self.split[row]), self.pictures[row], labels, soft, extra)

    def __iter__(self) -> Iterator[Sample]:
        return (self[row] for row in range(len(self)))

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that are there, in the order train, valid, test."""
        return splits_in(self.split)

    def select(self, which: Any) -> Self:
        """A subset of the pictures by mask, slice or index array."""
        rows = np.arange(len(self))[which]
        pictures = self.pictures
        taken = pictures.take(rows) if isinstance(pictures, PictureRows) else [pictures[row] for row in rows.tolist()]
        return replace(
            self,
            ids=self.ids[rows],
            split=self.split[rows],
            pictures=taken,
            sources={name: column.select(rows) for name, column in self.sources.items()},
            extra={name: values[rows] for name, values in self.extra.items()},
        )

    def of_splits(self, splits: Sequence[str] | None) -> Self:
        """The pictures of some splits; all if None.

        Raises:
            UsageError: no such split exists.
            DataError: the data set has no pictures of one of them.
        """
        if splits is None:
            return self
        handed_out = f"the data set is handed out by {self.origin}"
        expect_splits(splits, there=self.splits, where=self.root, handed_out=handed_out)
        return self.select(np.isin(self.split, list(splits)))

    def clips(self) -> Iterator[tuple[str, Self]]:
        """Each clip's id and its frames in order; a data set without clips has none."""
        if "clip_id" not in self.extra:
            return
        clip_ids, frames = self.extra["clip_id"], self.extra["frame"]
        order = np.lexsort((frames, clip_ids))
        starts = np.flatnonzero(clip_ids[order][1:] != clip_ids[order][:-1]) + 1
        for rows in np.split(order, starts):
            if len(rows) and clip_ids[rows[0]]:
                yield str(clip_ids[rows[0]]), self.select(rows)

    def table(self, *, each: Each = each_here) -> Table:
        """All pictures read into one table; for face crops of one size.

        Args:
            each: who reads them.

        Raises:
            DataError: these are photographs, crops of several sizes, or one cannot be read: prepare them first.
        """
        prepare = f"prepare it: mien data prepare {self.name}={self.root} --out {self.name}.parquet"
        if not self.faces:
            raise DataError(f"expected face crops in {self.root}, got photographs ({self.form}): {prepare}")
        images = self.pictures.images if isinstance(self.pictures, PictureRows) else self._read_all(prepare, each)
        return Table(self.ids, images, self.split, self.sources, self.extra, {"name": self.name, "form": self.form})

    def _read_all(self, prepare: str, each: Each) -> Pixels:
        if not len(self):
            return np.empty((0, 48, 48), np.uint8)
        # The first one says how large they are, so that of another size no more than this is sent.
        look = functools.partial(_crop, gray=self.gray)
        first = self._expect(next(each(look, self.pictures, range(1))))
        images = np.empty((len(self), *first.shape), np.uint8)
        images[0] = first
        look = functools.partial(look, shape=first.shape)
        at_once = max(1, min(AT_ONCE, _HELD_BYTES // first.nbytes))
        for row, crop in enumerate(each(look, self.pictures, range(1, len(self)), at_once=at_once), 1):
            if isinstance(crop, tuple):
                raise DataError(
                    f"expected face crops of one size in {self.root}, got {first.shape} and {crop} "
                    f"({self.pictures[row].where}): {prepare} --size 112"
                )
            images[row] = self._expect(crop)
        return images

    def _expect(self, crop: Pixels | tuple[int, ...] | InputError) -> Pixels:
        if isinstance(crop, InputError):
            raise DataError(f"{crop}; the data set is handed out by {self.origin}") from crop
        assert not isinstance(crop, tuple)
        return crop


def _crop(picture: Picture, *, gray: bool, shape: tuple[int, ...] | None = None) -> Pixels | tuple[int, ...]:
    """A face crop, or its shape alone where that is not the one expected."""
    image = picture.read()
    if gray and image.ndim == 3:
        image = to_gray(image)
    return image if shape in (None, image.shape) else image.shape


def not_there(root: str | os.PathLike[str], expected: str, origin: str) -> DataError:
    """The error for a root that holds nothing that a reader knows."""
    there = stores.is_address(root) or Path(root).exists()
    got = "none of it" if there else "no such file or folder"
    return DataError(f"expected {expected} in {root}, got {got}: the data set is handed out by {origin}")
