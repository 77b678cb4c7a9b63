"""MMI as distributed: sessions, each a clip or a still with what is known of it in XML.

Pantic et al. 2005, "Web-based database for facial expression analysis", https://doi.org/10.1109/ICME.2005.1521424;
Valstar and Pantic 2010, "Induced disgust, happiness and surprise: an addition to the MMI facial expression database".
"""

import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError, InputError, UsageError
from mien.core.images import SUFFIXES, read_image
from mien.core.labels import FIRST_ID, LABEL_SETS, LabelSet
from mien.core.registry import unknown
from mien.core.video import VideoInfo, probe, read_frame
from mien.datasets.dataset import DataSet, Pixels, not_there
from mien.datasets.looking import FEW_CLIPS, Each, each_here
from mien.datasets.readers.listing import files_in, folders_in
from mien.datasets.readers.sequences import FrameChoice
from mien.datasets.table import LabelColumn

SESSIONS = "Sessions"
SESSION = "session.xml"
ORIGIN = "the iBUG group of Imperial College London at mmifacedb.eu, on request"
HANDED_OUT = f"the data set is handed out by {ORIGIN}"
VIEWS = ("frontal", "profile", "both")
HALVES = ("left", "right")
CLIPS = (".avi", ".mpg", ".mpeg", ".mp4", ".mov", ".wmv")

_EMOTIONS = LABEL_SETS["mmi"]
_WHERE = "around the marked height of each clip, else around its middle,"
_MARKERS = "-oao_aucs.xml"
_APEX, _OFFSET = 2, 3  # types of markers: from here on the action unit is at its height; it fades
_UPRIGHT = 480  # rows of a frontal clip; where a frame has another number, it was stored lying on its side
_LARGEST_XML = 1 << 20
_SUBJECT = re.compile(r"S\d+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Shot:
    """A frame of a clip, or a still; or the half of it that shows one of two views.

    Attributes:
        root: of the data set. file: relative to it.
        index: of the frame, from 0; None for a still.
        half: left or right, as one looks at the picture; "" for all of it.
        turned: whether it may be stored on its side.
    """

    root: str
    file: str
    index: int | None = None
    half: str = ""
    turned: bool = False

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.root, self.file)

    @property
    def where(self) -> str:
        """See `Picture`."""
        frame = "" if self.index is None else f", frame {self.index + 1}"
        return f"{self.file}{frame}" + (f", {self.half} half" if self.half else "")

    def read(self) -> Pixels:
        """See `Picture`."""
        image = read_image(self.path) if self.index is None else read_frame(self.path, self.index)
        if self.turned and image.shape[0] != _UPRIGHT:
            image = np.rot90(image, -1)
        if self.half:
            middle = image.shape[1] // 2
            image = image[:, :middle] if self.half == "left" else image[:, middle:]
        return np.ascontiguousarray(image)


@dataclass(frozen=True, slots=True)
class _Medium:
    """A labelled clip or still.

    Attributes:
        name: its file name without the suffix. file: relative to the root. class_id: of `_EMOTIONS`.
        view: frontal, profile or dual. markers: the file that says when action units are at their height, if any.
    """

    name: str
    file: str
    class_id: int
    view: str
    markers: Path | None

    @property
    def is_clip(self) -> bool:
        return self.file.lower().endswith(CLIPS)


@dataclass(frozen=True, slots=True)
class _Row:
    """One picture; `clip_id` is "" and `frame` -1 where it is no frame of a clip."""

    id: str
    clip_id: str
    frame: int
    time_s: float
    view: str
    class_id: int
    shot: Shot


def read_mmi(
    root: str | os.PathLike[str],
    *,
    splits: Sequence[str] | None = None,
    peak: int | None = None,
    neutral: int | None = None,
    clips: bool = False,
    view: str = "frontal",
    dual: str = "right",
    each: Each = each_here,
) -> DataSet:
    """Read the clips and stills of MMI that show one of six basic emotions.

    Args:
        root: the folder ``Sessions``, the download that holds it, or a folder of such downloads.
        splits: only train is there.
        peak: so many frames around the height of the expression carry the clip's label; 3 if not given. The height is
            where the clip's markers say that most action units are at theirs, else the middle of the clip.
        neutral: so many first frames of each clip count as neutral; none if not given. A frame is never both.
        clips: all frames of each clip carry its label instead; not with `peak` or `neutral`.
        view: frontal, profile, or both.
        dual: which half of a picture with two views is the frontal one, as one looks at it.
        each: who opens the clips, to see how long they are.

    Returns:
        Photographs with the label source ``mmi``, which has the class neutral after the six only if asked for;
        ``extra`` holds ``subject``, ``clip_id``, ``frame`` (from 1; -1 for a still), ``time_s`` and ``view``.

    Raises:
        DataError: no sessions there, an XML file is not as it should be, or two clips have one name.
        UsageError: the options are out of range or exclude each other.
    """
    choice = FrameChoice.of(peak=peak, neutral=neutral, clips=clips)
    for option, value, known in (("view", view, VIEWS), ("dual", dual, HALVES)):
        if value not in known:
            raise UsageError(unknown(option, str(value), known))
    root = Path(root)
    media, left_out = _list_media(root)
    parts = [(one, half, seen) for one in media for half, seen in _parts(one.view, dual) if view in (seen, "both")]
    labels = LabelSet("mmi", (*_EMOTIONS, "neutral")) if choice.neutral else _EMOTIONS
    infos = _probed(root, dict.fromkeys(medium.file for medium, _, _ in parts if medium.is_clip), each)
    rows = [row for part in parts for row in _rows(root, *part, infos, choice, labels)]
    left_out["in another view"] += len(media) - len({each.file for each, _, _ in parts})
    notes = tuple(_notes(rows, left_out, dual))
    if not rows:
        raise DataError(
            f"expected clips or stills of one of six emotions in {root}, got {_in_words(left_out) or 'none at all'}: "
            + HANDED_OUT
        )
    return DataSet(
        name="mmi",
        root=root,
        form=SESSIONS,
        origin=ORIGIN,
        ids=np.array([each.id for each in rows], np.str_),
        split=np.full(len(rows), "train"),
        pictures=[each.shot for each in rows],
        sources={"mmi": _label_column(labels, rows, choice)},
        extra={
            "subject": np.array([_subject(each.shot.file) for each in rows], np.str_),
            "clip_id": np.array([each.clip_id for each in rows], np.str_),
            "frame": np.array([each.frame for each in rows], np.int32),
            "time_s": np.array([each.time_s for each in rows], np.float32),
            "view": np.array([each.view for each in rows], np.str_),
        },
        faces=False,
        gray=False,
        notes=notes,
    ).of_splits(splits)


def _label_column(labels: LabelSet, rows: Sequence[_Row], choice: FrameChoice) -> LabelColumn:
    ids = np.array([each.class_id for each in rows], np.int16)
    return LabelColumn(labels, ids, rule=choice.rule(where=_WHERE), file="the XML beside each clip")


# Sessions ------------------------------------------------------------------------------------------------------------


def _list_media(root: Path) -> tuple[list[_Medium], Counter[str]]:
    """The labelled clips and stills in order, and how many are left out for which reason."""
    media: dict[tuple[str, bool], _Medium] = {}
    left_out: Counter[str] = Counter()
    for folder, names in _find_sessions(root).items():
        for name in [each for each in names if each.lower().endswith((*CLIPS, *SUFFIXES))] or _absent(names):
            medium = _read_medium(root, folder, name, names)
            if isinstance(medium, str):
                left_out[medium] += 1
                continue
            other = media.setdefault((medium.name, medium.is_clip), medium)
            if other is not medium:
                raise DataError(
                    f"expected each clip once in {root}, got {other.file} and {medium.file}: remove one; {HANDED_OUT}"
                )
    return [media[key] for key in sorted(media)], left_out


def _absent(names: Sequence[str]) -> list[str]:
    """The clips that a session describes and does not hold: each is a row that says so when it is read."""
    described = [each for each in names if each.endswith(".xml") and _SUBJECT.match(each)]
    return [f"{each.removesuffix('.xml')}.avi" for each in described if not each.endswith(_MARKERS)]


def _find_sessions(root: Path) -> dict[Path, list[str]]:
    """The folder of each session of all downloads, and the names of its files."""
    top = folders_in(root) if root.is_dir() else []
    homes = [each for each in (root, *(root / name for name in top)) if (each / SESSIONS).is_dir()]
    folders = [home / SESSIONS / name for home in homes for name in folders_in(home / SESSIONS)]
    sessions = {folder: files_in(folder) for folder in folders or [root / name for name in top]}
    if not any(SESSION in names for names in sessions.values()):
        raise not_there(root, f"folders with {SESSION}, in {SESSIONS} or in a download that holds it,", ORIGIN)
    return sessions


def _read_medium(root: Path, folder: Path, name: str, names: Sequence[str]) -> _Medium | str:
    """A clip or still, or why it is left out."""
    if SESSION not in names:
        return f"in a folder without {SESSION}"
    stem = os.path.splitext(name)[0]
    described = [each for each in names if each.endswith(".xml") and each != SESSION and not each.endswith(_MARKERS)]
    own = f"{stem}.xml"
    description = own if own in described else described[0] if len(described) == 1 else None
    emotion = _read_emotion(folder / description) if description else None
    if emotion is None:
        return "without an emotion"
    class_id = emotion - FIRST_ID["mmi"]
    if class_id >= len(_EMOTIONS):
        return "with another emotion than the six"
    markers = folder / f"{stem}{_MARKERS}" if f"{stem}{_MARKERS}" in names else None
    file = (folder / name).relative_to(root).as_posix()
    return _Medium(stem, file, class_id, _read_view(folder / SESSION, name), markers)


def _read_emotion(path: Path) -> int | None:
    """The number of the emotion, from 1; None where the description has none."""
    for tag in _parse(path).iterfind(".//{*}Metatag"):
        if tag.get("Name") == "Emotion":
            return _whole(tag.get("Value"), FIRST_ID["mmi"], f"the number of an emotion in {path}")
    return None


def _read_view(path: Path, name: str) -> str:
    """Frontal, profile or dual: of the track of this file, else of the first track."""
    tracks = list(_parse(path).iterfind(".//{*}track"))
    track = next((each for each in tracks if each.get("filename") == name), tracks[0] if tracks else None)
    views = {"0": "frontal", "1": "profile", "2": "dual"}
    view = None if track is None else track.get("view")
    if view not in views:
        raise _bad(f'a track with view="0", "1" or "2" in {path}', repr(view))
    return views[view]


def _read_apexes(path: Path, length: int) -> list[tuple[int, int]]:
    """First position of the height of each action unit, and the position after its last."""
    apexes = []
    for unit in _parse(path).iterfind(".//{*}ActionUnit"):
        start = None
        for position, kind in sorted(_read_marker(each, path) for each in unit.iterfind(".//{*}Marker")):
            if kind == _APEX:
                start = position
            elif kind == _OFFSET and start is not None:
                apexes.append((start, position))
                start = None
        if start is not None:  # it lasts to the end of the clip
            apexes.append((start, length))
    return apexes


def _read_marker(marker: ElementTree.Element, path: Path) -> tuple[int, int]:
    """Position of its frame, from 0, and its type."""
    frame = _whole(marker.get("Frame"), 0, f"the number of a frame in {path}")
    return max(frame - 1, 0), _whole(marker.get("Type"), 0, f"the type of a marker in {path}")


def _parse(path: Path) -> ElementTree.Element:
    try:
        if path.stat().st_size > _LARGEST_XML:
            raise _bad(f"a description of some kilobytes at {path}", f"{path.stat().st_size:,} bytes")
        data = path.read_bytes()
        if b"<!DOCTYPE" in data.replace(b"\0", b""):  # also in UTF-16; it may define entities that grow, or are files
            raise _bad(f"XML in {path}", "one with a <!DOCTYPE, which it does not need")
        return ElementTree.fromstring(data)
    except OSError as error:
        raise DataError(f"expected a readable file at {path}, got: {error.strerror}; {HANDED_OUT}") from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise _bad(f"XML in {path}", str(error)) from error


def _whole(text: str | None, least: int, what: str) -> int:
    if text is None or not re.fullmatch(r"\s*\d{1,9}\s*", text) or int(text) < least:
        raise _bad(f"{what}, from {least}", repr(text))
    return int(text)


def _bad(expected: str, got: str) -> DataError:
    return DataError(f"expected {expected}, got {got[:80]}: copy it again; {HANDED_OUT}")


# Pictures ------------------------------------------------------------------------------------------------------------


def _parts(view: str, dual: str) -> list[tuple[str, str]]:
    """Which parts of a picture show which view: (half, view)."""
    if view != "dual":
        return [("", view)]
    return [(half, "frontal" if half == dual else "profile") for half in HALVES]


def _probed(root: Path, files: Iterable[str], each: Each) -> dict[str, VideoInfo | InputError]:
    """File -> what each clip holds, or why that cannot be said."""
    shots = [Shot(str(root), file, 0) for file in files]
    infos = each(_probe, shots, range(len(shots)), at_once=1, few=FEW_CLIPS)
    return {shot.file: info for shot, info in zip(shots, infos, strict=True)}


def _probe(shot: Shot) -> VideoInfo:
    return probe(shot.path)


def _rows(
    root: Path,
    medium: _Medium,
    half: str,
    view: str,
    infos: Mapping[str, VideoInfo | InputError],
    choice: FrameChoice,
    labels: LabelSet,
) -> Iterator[_Row]:
    side = f"-{half}" if half else ""
    if not medium.is_clip:
        shot = Shot(str(root), medium.file, None, half)
        yield _Row(f"mmi-{medium.name}{side}", "", -1, math.nan, view, medium.class_id, shot)
        return
    info = infos[medium.file]
    if isinstance(info, InputError):  # its frames cannot be counted: one row stands for it, and says why when read
        shot = Shot(str(root), medium.file, 0, half)
        yield _Row(f"mmi-{medium.name}{side}", "", -1, math.nan, view, medium.class_id, shot)
        return
    turned = medium.view == "frontal"
    for position, neutral in choice.of_sequence(info.frames, apex=_find_apex(medium, info.frames)):
        yield _Row(
            id=f"mmi-{medium.name}_{position + 1:05d}{side}",
            clip_id=f"{medium.name}{side}",
            frame=position + 1,
            time_s=position / info.fps if info.fps else math.nan,
            view=view,
            class_id=labels.index("neutral") if neutral else medium.class_id,
            shot=Shot(str(root), medium.file, position, half, turned),
        )


def _find_apex(medium: _Medium, length: int) -> int:
    """Position of the height of the expression: the middle of where most action units are at theirs."""
    at_height: npt.NDArray[np.intp] = np.zeros(length, np.intp)
    for start, end in _read_apexes(medium.markers, length) if medium.markers else ():
        at_height[start:end] += 1
    most = np.flatnonzero(at_height == at_height.max())
    return int(most[len(most) // 2])  # without markers: the middle of the clip


def _subject(file: str) -> str:
    match = _SUBJECT.match(file.rpartition("/")[2])
    return match[0].upper() if match else ""


def _in_words(left_out: Counter[str]) -> str:
    return ", ".join(f"{n:,} {reason}" for reason, n in sorted(left_out.items()) if n)


def _notes(rows: Sequence[_Row], left_out: Counter[str], dual: str) -> Iterator[str]:
    yield "MMI has no splits, all of it is train: split it by subject"
    if left_out.total():
        yield f"left out of the clips and stills: {_in_words(left_out)}"
    halves = len({each.shot.file for each in rows if each.shot.half})
    if halves:
        yield (
            f"clips and stills with two views in one picture: {halves:,}; the {dual} half is taken for the frontal "
            "one, which no file says: look at some, and choose the other with the option dual if it is not"
        )
    if any(each.view == "profile" and not each.shot.half for each in rows):
        yield "clips in profile are given as they are stored; some may lie on their side"
